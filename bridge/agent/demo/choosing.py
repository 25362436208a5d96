"""Choose the tool that what was said is about, if there is one."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from bridge.agent.demo.schema import ToolSpec
from bridge.agent.demo.words import content, stem

_ENOUGH = 2.0
"""Points a tool needs: one word of its name or purpose, or two of its details."""
_SHARE = 0.3
"""Part of the sentence that must be about the tool, unless the sentence begins with it ..."""
_CERTAIN = 5.0
"""... or it has this many points."""
_REMARK = re.compile(
    r"(?:well,? )?(?:i (?:had|was|went|love|like|liked)|(?:that|it|this)(?:'?s| is| was))\b",
    re.IGNORECASE,
)
"""How sentences begin that want nothing done."""


def choose(said: str, specs: Sequence[ToolSpec], *, forced: bool = False) -> ToolSpec | None:
    """The tool whose own words are heard most, if what was said is about it.

    `forced` takes the best one however little speaks for it.
    """
    every = [spec.vocabulary for spec in specs]
    shared_by = Counter(found for weights in every for found in weights)
    heard = set(content(said))
    # A word that several tools have says a little less about each of them.
    points = [
        sum(weights[one] - 0.1 * min(shared_by[one] - 1, 5) for one in heard & weights.keys())
        for weights in every
    ]
    # Of equals, the one that needs less to be asked.
    needed = [sum(one.required for one in spec.arguments) for spec in specs]
    best = max(range(len(specs)), key=lambda index: (points[index], -needed[index]), default=None)
    if best is None:
        return None
    return specs[best] if forced or _about(said, every[best]) else None


def _about(said: str, weights: Mapping[str, float]) -> bool:
    """Whether a sentence is about a tool, and does not just mention one of its words."""
    heard = content(said)
    matched = set(heard) & weights.keys()
    points = sum(weights[one] for one in matched)
    if points < _ENOUGH:
        return False
    names = {stem(word.casefold()) for word in re.findall(r"[^\W_]+", said) if word[0].isupper()}
    others = set(heard) - matched - names
    if _REMARK.match(said):
        return points >= _CERTAIN
    share = len(matched) / (len(matched) + len(others))
    return points >= _CERTAIN or share >= _SHARE or heard[0] in matched
