"""Establish that alpha can be imported."""

TITLE = "alpha opens"
RUNG = "cpu"
DISTRIBUTIONS = ("alpha",)
GPUS = 0
TIMEOUT_S = 30.0


def probe(request):
    """Return its version."""
    import alpha

    return {"version": alpha.__version__}
