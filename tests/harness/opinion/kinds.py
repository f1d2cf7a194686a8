"""The kinds of what is said, by what the law asks of them (I2 to I5)."""

from __future__ import annotations

from .acts import SECOND_LIVES

# What a trade may report about a battery in use (I5 in credentials/README.md).
TRADE_ACTS = ("soh.measured", "battery.maintained", "battery.swapped_out", "battery.replaced",
              "battery.installed", "negative_event")  # fmt: skip
# What ends or moves a battery: the holder's consent, or an authority's record.
ENDINGS = ("battery.declared_waste", "vehicle.scrapped", "waste.collected", "battery.dismantled",
           "waste.exported", "used.exported", "recycling.received", "recycling.completed",
           "battery.exported", "battery.sold", "vehicle.sold", *SECOND_LIVES)  # fmt: skip
CUSTOMS_ACTS = ("customs.suspended", "customs.released", "customs.refused", "customs.invalidated",
                "customs.moved", "customs.refusal_lifted")  # fmt: skip
PASSPORT_ACTS = ("passport.published", "passport.superseded", "passport.suspended", "passport.reinstated",
                 "passport.revoked", "passport.ban_lifted")  # fmt: skip
# I1: what shows that a battery was used, or is not what it was. Told late it counts, of its time.
SHOWS_USE = (*TRADE_ACTS, "vehicle.scrapped", "battery.declared_waste", "battery.dismantled", *SECOND_LIVES,
             "used.exported", "waste.exported", "end_of_life.certified")  # fmt: skip
# What changes place or use: the Annex XIV record of a journey before says nothing of the next.
ENDS_A_JOURNEY = ("market.placed", "battery.installed", "battery.swapped_out", "battery.replaced",
                  "battery.maintained", "negative_event", "vehicle.sold")  # fmt: skip
# What puts a battery into other hands, or out of reach: not while it is reported lost or stolen.
MOVES = ("battery.exported", "used.exported", "waste.exported", "market.placed", "battery.handed_over",
         "battery.sold", "vehicle.sold", "vehicle.scrapped", "waste.collected", "battery.dismantled",
         "recycling.received", *SECOND_LIVES)  # fmt: skip
# Said of a party, not of a battery: that all its licences are suspended, and that they are put back.
LICENCES = ("licences suspended", "licences put back")
# What a party says without a licence as well: that it gives up what is its own, and that it disagrees.
ASKS_NO_LICENCE = ("battery.handed_over", "responsibility.transferred", "record.contested")
UNION = ("DE", "FR", "NL")  # of its Member States those that are spoken of here
EXPORTS = ("battery.exported", "used.exported", "waste.exported")
MEASURES = ("soh.measured",)
PUTS_ON_THE_ROAD = ("vehicle.registered", "vehicle.sold")
TOLD_LATE = (*SHOWS_USE, *PUTS_ON_THE_ROAD)
LEAVES_A_VEHICLE = ("battery.swapped_out", "battery.replaced")
# I3: what cannot be taken back by its author.
IRREVERSIBLE = ("battery.presented", *CUSTOMS_ACTS, "battery.declared_waste", "vehicle.scrapped",
                "battery.dismantled", *SECOND_LIVES, "recycling.received", "recycling.completed",
                "material.recovered", "passport.revoked", "battery.handed_over",
                "responsibility.transferred", "battery.enrolled")  # fmt: skip
