"""Random programs, the same in PyTorch and here: see `programs`, `differential` and, for more of them, `fuzz`.

In processes of their own, one for each of two cores, because compiling is all that these tests spend their time on.
Half of the programs run by NumPy, operation by operation.
"""

from fuzz import together, watch

PROGRAMS, JOBS = 2000, 2

# Programs that are known to disagree, and why. One that no longer does must be taken out.
KNOWN = {
    52: "`out=` of a tensor whose memory PyTorch cannot resize because NumPy shares it; here nothing is shared",
    227: "`unsqueeze_` under no_grad is in the history here, so that gradients come to the shape before it",
    333: "`out=` that resizes a tensor others were made from warns differently",
    419: "a reshape of a gradient that PyTorch copies is a view here",
    1001: "a retained gradient that has a graph loses it when a backward without one adds to it",
    1440: "a write through a reshape of an expanded tensor is not refused",
    1591: "a write through a reshape of an expanded tensor is not refused",
}


def test_programs():
    wrong, counts = {}, 0
    for found in together([watch(k, PROGRAMS, JOBS) for k in range(JOBS)]):
        counts += 1
        if found["outcome"] in ("disagrees", "crashed"):
            wrong[found["seed"]] = found.get("text", "the process ended")
    assert counts >= PROGRAMS - len(KNOWN)
    new = [text for seed, text in sorted(wrong.items()) if seed not in KNOWN]
    assert not new, "\n".join(new)
    assert KNOWN.keys() == wrong.keys(), "these agree now: take them out of KNOWN"
