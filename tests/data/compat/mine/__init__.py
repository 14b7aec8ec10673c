import alpha


def version():
    return alpha.__version__
