"""What `eigenstep` prints when it is given no command."""

import eigenstep

STEPS = (
    ("eigenstep demo", "see it at once: small trainings and what they learned, in a minute or two"),
    ("eigenstep images PHOTOS", "what would be read of your images, and how"),
    ("eigenstep check --data PHOTOS", "whether a training would be sound, before its first step"),
    (
        "eigenstep train --data PHOTOS",
        "train, and see modes appear; PHOTOS: a folder, archive, table or hub name",
    ),
    ("eigenstep view runs", "watch trainings in the browser, while they run"),
    ("eigenstep advise RUN", "what is wrong with a run, and what more steps would bring"),
    ("eigenstep modes RUN", "what each mode means, and what it is worth"),
    ("eigenstep predict --data PHOTOS", "what will be learned, and when, without training"),
)


def greeting() -> str:
    """The first commands of a newcomer, each with what it is for."""
    width = max(len(command) for command, _ in STEPS)
    lines = [f"  {command.ljust(width)}  {purpose}" for command, purpose in STEPS]
    head = f"Eigenstep {eigenstep.__version__}: how self-supervised networks learn, one eigenmode at a time."
    more = "All commands: eigenstep --help. Options of one: eigenstep train --help."
    return "\n".join([head, "", *lines, "", more, "For a bug report: eigenstep doctor."])
