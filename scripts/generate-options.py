#!/usr/bin/env python3
"""Prints src/decide/options_table.rs; called by generate-options.sh with VERSION=PATH arguments.

Reads clang's own option table as TableGen wrote it (clang/Driver/Options.inc), takes the options
that the driver accepts in gcc and g++ mode, forms the union of all versions and drops what
src/decide/options.rs knows by rule. Fails on a conflict that it has not been told how to resolve.
"""

import re
import sys

# What an option consumes, as options.rs reads it.
KINDS = {
    "Flag": "F",
    "Joined": "J",
    "CommaJoined": "J",
    "Separate": "1",
    "JoinedOrSeparate": "S",
    "JoinedAndSeparate": "A",
    "RemainingArgs": "R",
}

# Two kinds of one spelling, in one version or across versions, and what stands for both.
# The first two consume the same arguments in every form that both accept.
MERGED = {
    frozenset("FJ"): "J",  # -O and -O<level>
    frozenset("1S"): "S",  # -e: clang 15 also takes it joined
    frozenset("JR"): "R",  # `--` is also the empty long option
}

# Spellings whose versions disagree about the next argument. Each is Direct by hazards.rs.
RESOLVED = {
    # clang 15: also with the next argument as its value. clang 19: joined only.
    "-fxray-always-instrument=": "S",
    "-fxray-attr-list=": "S",
    "-fxray-instruction-threshold=": "S",
    "-fxray-instrumentation-bundle=": "S",
    "-fxray-modes=": "S",
    "-fxray-never-instrument=": "S",
    # clang 19 has no such options: it is -T with a joined value.
    "-Tbss": "S",
    "-Tdata": "S",
    "-Ttext": "S",
    # clang 15 has no such options: they are joined to -a, -d, -e and -X.
    "-alias_list": "1",
    "-dumpdir": "1",
    "-emit-symbol-graph": "F",
    "-Xmicrosoft-visualc-tools-root": "1",
    "-Xmicrosoft-visualc-tools-version": "1",
    "-Xmicrosoft-windows-sdk-root": "1",
    "-Xmicrosoft-windows-sdk-version": "1",
    "-Xmicrosoft-windows-sys-root": "1",
}

# Every option of these families stands alone unless the table says otherwise. Not options of
# clang: they keep 1700 flags out of the table. An unlisted member is a flag, as in GCC.
FAMILIES = (
    "--no-",
    "--print-",
    "-cl-",
    "-f",
    "-g",
    "-m",
    "-no",
    "-objcmt-",
    "-print-",
    "-shared",
    "-static",
)

# Flags of Darwin's linker, which no build of ROCm gives. To an option that is not in the table an input
# may belong, so that the call is Direct.
LEFT_OUT = re.compile(r"-[a-z0-9]*_\w*")


def fields(entry):
    """The top-level arguments of one OPTION(...) invocation."""
    out, depth, start, quoted, skip = [], 0, 0, False, False
    for at, char in enumerate(entry):
        if skip:
            skip = False
        elif quoted:
            skip = char == "\\"
            quoted = char != '"'
        elif char == '"':
            quoted = True
        elif char in "({[":
            depth += 1
        elif char in ")}]":
            depth -= 1
        elif char == "," and depth == 0:
            out.append(entry[start:at].strip())
            start = at + 1
    return out


def visible(version, flags, visibility):
    """Whether the clang driver accepts the option outside of cl, dxc and flang mode."""
    if version >= 18:
        return bool({"DefaultVis", "ClangOption"} & visibility)
    if flags & {"NoDriverOption", "FlangOnlyOption"}:
        return False
    return "CoreOption" in flags or not flags & {"CLOption", "DXCOption", "CLDXCOption"}


def options(version, path):
    """Yields (spelling, kind) of every option that the driver accepts."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    prefixes = {
        name: [prefix for prefix in re.findall(r'"([^"]*)"', values) if prefix]
        for name, values in re.findall(r"^PREFIX\((\w+), \{(.*)\}\)$", text, re.M)
    }
    body = text[text.index("#ifdef OPTION\n") :]
    body = body[: body.index("#endif // OPTION")]
    for entry in body.split("\nOPTION(")[1:]:
        field = fields(entry)
        if field[0] not in prefixes:  # a group
            continue
        names, kind = prefixes[field[0]], field[3]
        flags, visibility, number = (
            (field[7], field[8], field[9]) if version >= 18 else (field[7], "", field[8])
        )
        if kind in ("Input", "Unknown", "Group"):
            continue
        words = lambda text: {word.strip() for word in text.split("|")}
        if not visible(version, words(flags), words(visibility)):
            continue
        # clang 15 writes &"--all-warnings"[2], later ones the first full spelling.
        name = re.fullmatch(r'(&?)"([^"]*)"(?:\[(\d+)\])?', field[1])
        spelling = name[2]
        if name[1]:
            spelling = spelling[int(name[3]) :]
        else:
            spelling = spelling.removeprefix(names[0])
        letter = number if kind == "MultiArg" else KINDS[kind]
        for prefix in names:
            if prefix != "/":
                yield prefix + spelling, letter


def union(versions):
    table = {}
    for number, options in versions.items():
        for spelling, kind in options.items():
            table[spelling] = merge(spelling, table.get(spelling, kind), kind, number)
    for spelling, kind in table.items():
        for number, options in versions.items():
            # A version without the option may still accept its spelling, as a shorter one.
            found = match(options, spelling)
            if found and values(found) != values(kind):
                if spelling not in RESOLVED:
                    sys.exit(f"{spelling}: {kind}, and to clang {number} it is {found}")
    return table


def merge(spelling, have, kind, number):
    merged = have if have == kind else MERGED.get(frozenset((have, kind)))
    merged = RESOLVED.get(spelling, merged)
    if merged is None:
        sys.exit(f"{spelling}: {have} and {kind} (clang {number})")
    return merged


def values(kind):
    """Arguments that follow the bare spelling of an option."""
    return {"F": "0", "J": "0", "S": "1", "A": "1"}.get(kind, kind)


def match(table, argument):
    """The kind of the longest option that accepts `argument`, as options.rs finds it."""
    for end in range(len(argument), 0, -1):
        kind = table.get(argument[:end])
        if kind and (kind in "JSA" or end == len(argument)):
            return kind
    return None


def prune(table):
    """Drops what stands alone and is found to stand alone without an entry."""
    for family in FAMILIES:
        table[family] = "J"
    for spelling in sorted(table, key=len, reverse=True):
        kind = table[spelling]
        if kind not in "FJ" or spelling in FAMILIES:
            continue
        del table[spelling]
        if kind == "F" and LEFT_OUT.fullmatch(spelling):
            continue
        # With a value `x`, which is what a joined option has.
        found = match(table, spelling + "x" if kind == "J" else spelling)
        if not (found == "J" or (found is None and spelling.endswith("="))):
            table[spelling] = kind
    return table


def main():
    versions = {}
    for number, path in (argument.split("=", 1) for argument in sys.argv[1:]):
        options_of = versions[int(number)] = {}
        for spelling, kind in options(int(number), path):
            have = options_of.get(spelling, kind)
            options_of[spelling] = merge(spelling, have, kind, number)
    table = union(versions)
    for spelling in table:
        # Each of these is what options.rs and the blob's own format rely on.
        if not re.fullmatch(r"-[^\s\\\"]+", spelling):
            sys.exit(f"{spelling!r} cannot be written down")
    for spelling, kind in table.items():
        if "=" in spelling and kind not in "FJS" and spelling != "-Xopenmp-target=":
            sys.exit(f"{spelling}: an option with '=' inside that takes the next argument")
    total = len(table)
    table = prune(table)
    versions = " and ".join(map(str, versions))
    print(f"//! Options of clang {versions} as [`options`](super::options) looks them up.")
    print("//!")
    print("//! Made by `scripts/generate-options.sh`; do not edit.")
    print(f"//! {len(table)} of {total} spellings: the others stand alone by a rule of that module, but for")
    print("//! flags of Darwin's linker, which it does not know.")
    print()
    print("/// One option a line, sorted by bytes: the spelling, a space, what it consumes.")
    print("#[rustfmt::skip]")
    print('pub const TABLE: &str = "\\')
    for spelling in sorted(table, key=str.encode):
        print(f"{spelling} {table[spelling]}")
    print('";')


main()
