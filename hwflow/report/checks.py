"""Where the numbers of a report disagree, and what a reader should not conclude from them.

Stands on the facts alone.
"""

from __future__ import annotations

from typing import Any

FAR_OFF = 0.25  # an estimate this far from synthesis is named


def warnings(facts: dict[str, Any]) -> list[str]:
    """One sentence for each disagreement, the most serious first."""
    return [*_proof(facts), *_order(facts), *_clock(facts), *_claims(facts), *_room(facts)]


def _proof(facts: dict[str, Any]) -> list[str]:
    rungs, skipped = facts["exactness"]["rungs"], facts["exactness"]["skipped"]
    out = [
        f"{r['b']} differs from {r['a']} in {r['differing']} of {r['elements']} elements: do not use this build. {r['first']}".strip()
        for r in rungs
        if r["differing"]
    ]
    if not rungs:
        out.append("Nothing was proven yet: run `hwflow verify`.")
    out += [f"{engine} was not compared: {reason}." for engine, reason in skipped.items()]
    return out


def _order(facts: dict[str, Any]) -> list[str]:
    return [
        f"No integer unit sorts the scores{' of ' + part['name'] if part['name'] else ''} exactly as float32 does: "
        "compare `simulate --scores`, net_scores or `finish`, not the integers."
        for part in facts["outputs"]
        if not part["ordered"]
    ]


def _clock(facts: dict[str, Any]) -> list[str]:
    asked, fmax = facts["clock_mhz"], facts["fmax"]
    if fmax["kind"] != "assumed" and fmax["mhz"] < asked:
        return [
            f"{asked:g} MHz were asked for, but {fmax['mhz']:.1f} MHz close ({fmax['kind']}); "
            f"rate and latency are given for {facts['throughput']['clock_mhz']:.1f} MHz."
        ]
    return []


def _claims(facts: dict[str, Any]) -> list[str]:
    out = []
    rate, used = facts["throughput"], facts["resources"]
    simulated = rate["simulated_cycles_per_image"]
    if simulated and simulated != rate["claimed_cycles_per_image"]:
        out.append(f"{rate['claimed_cycles_per_image']} cycles an image were claimed, {simulated} were simulated.")
    if used["synth"]:
        for name in ("lut", "ff"):
            claim, found = used["estimate"][name], used["synth"][name]
            if found and abs(claim - found) > FAR_OFF * found:
                out.append(f"{claim:.0f} {name.upper()}s were estimated, {found:.0f} were synthesised.")
    return out


def _room(facts: dict[str, Any]) -> list[str]:
    percent = facts["resources"]["percent"] or {}
    return [
        f"{name.upper()}: {share:.0f} % of {facts['board']} would be needed; it does not fit."
        for name, share in percent.items()
        if share > 100
    ]
