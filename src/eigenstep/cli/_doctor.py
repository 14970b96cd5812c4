"""The subcommand `doctor`."""

import json as json_format

from eigenstep.cli._parse import Flag


def doctor(json: Flag = False) -> int:
    """Print what a bug report needs to know about this machine: versions, devices, threads, folders, parts.

    Nothing is sent or written. The exit code is 1 if something is wrong with the installation.

    Parameters
    ----------
    json : Flag
        Print it as JSON, for a script.
    """
    from eigenstep.machine import machine_facts
    from eigenstep.spelling import printable

    facts = machine_facts()
    trouble = [line for group in facts.values() for line in group.values() if line.startswith("!")]
    if json:
        print(json_format.dumps(facts, indent=1))
        return int(bool(trouble))
    for group, lines in facts.items():
        print(group)
        width = max(map(len, lines), default=0)
        for name, said in lines.items():
            print(f"  {name.ljust(width)}  {printable(said)}")
    print(
        "\nSomething is wrong: the lines with !" if trouble else "\nNothing is wrong with this installation."
    )
    return int(bool(trouble))
