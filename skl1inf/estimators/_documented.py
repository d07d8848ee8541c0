"""One description of a parameter or an attribute, for all estimators that have it."""

import re
from inspect import cleandoc, signature

_SECTION = re.compile(r"^(\w[\w ]*)\n-{3,}\n", re.MULTILINE)
_ENTRY = re.compile(r"^(?=\S)", re.MULTILINE)


def documented_after(model):
    """Return a decorator that completes the docstring of a class after another's.

    The section Parameters gets the entries of the `model` for the parameters that it
    does not describe itself, in the order of the signature; the section Attributes
    gets those of all attributes that it does not describe.
    """

    def complete(cls):
        if cls.__doc__ is None or model.__doc__ is None:  # python -OO
            return cls
        doc = cleandoc(cls.__doc__)
        for section in ("Parameters", "Attributes"):
            own, others = _entries(doc, section), _entries(model.__doc__, section)
            entries = {**others, **own}
            names = list(entries)
            if section == "Parameters":
                names = list(signature(cls).parameters)
            body = "\n\n".join(entries[name] for name in names)
            start, end = _span(doc, section)
            doc = f"{doc[:start]}{body}\n\n{doc[end:]}"
        cls.__doc__ = f"{doc}\n"
        return cls

    return complete


def _span(doc, section):
    """Return where the body of a section starts and ends."""
    headings = list(_SECTION.finditer(doc))
    names = [heading[1] for heading in headings]
    place = names.index(section)
    ends = [heading.start() for heading in headings[1:]] + [len(doc)]
    return headings[place].end(), ends[place]


def _entries(doc, section):
    """Return the entries of a section, by name; entries of several, by the first."""
    doc = cleandoc(doc)
    start, end = _span(doc, section)
    parts = [part.strip("\n") for part in _ENTRY.split(doc[start:end])]
    return {re.match(r"\w+", part)[0]: part for part in parts if part.strip()}
