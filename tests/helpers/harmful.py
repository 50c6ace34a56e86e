"""A pickled object that runs code when it is read."""

HARM = []


def harm():
    HARM.append("done")


class Malicious:
    def __reduce__(self):
        return harm, ()
