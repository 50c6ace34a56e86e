"""The one kind of error that a user can mend."""


class InputError(Exception):
    """Something that was given is wrong: a file, a key of the configuration, an image.

    The message is written for a person: what is wrong, where it is (file, key, line, image
    or unit), and what to do. It is shown without a traceback.
    """
