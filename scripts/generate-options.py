#!/usr/bin/env python3
"""Prints src/shared/decision/options_table.rs; called by generate-options.sh with VERSION=PATH arguments.

Reads clang's own option table as TableGen wrote it (Options.inc), takes the options that the driver
accepts in gcc and g++ mode, forms the union of all versions and drops what src/shared/decision/options.rs
knows by rule. Fails on a conflict that it has not been told how to resolve.
"""

import hashlib
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
    # clang 22 has no such options: they are joined to -ccc-.
    "-ccc-arcmt-migrate": "1",
    "-ccc-objcmt-migrate": "1",
    # Older ones have no such options: they are joined to -a, -d, -e, -l, -u and -X.
    "-alias_list": "1",
    "-dumpdir": "1",
    "-emit-cir": "F",
    "-emit-symbol-graph": "F",
    "-lifetime-safety-lifetimebound-macro=": "J",
    "-lifetime-safety-max-cfg-blocks=": "J",
    "-use-spirv-backend": "F",
    "-Xclangas": "1",
    "-Xoffload-compiler": "A",
    "-Xmicrosoft-visualc-tools-root": "1",
    "-Xmicrosoft-visualc-tools-version": "1",
    "-Xmicrosoft-windows-sdk-root": "1",
    "-Xmicrosoft-windows-sdk-version": "1",
    "-Xmicrosoft-windows-sys-root": "1",
}

# The same for all that begins so. clang 22 has no such options: they are joined to -o.
RESOLVED_FAMILIES = ("-objcmt-",)

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
    # clang 21 and later name each offset in a comment, which may hold a comma.
    entry = re.sub(r"^(\d+)(?: /\* no prefixes \*/)?, (\d+) /\* .*? \*/,", r"\1, \2,", entry)
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


class Strings:
    """The names and prefixes of an Options.inc that spells them out in each entry (clang 15 to 20)."""

    def __init__(self, text):
        self.prefixes = {
            name: [prefix for prefix in re.findall(r'"([^"]*)"', values) if prefix]
            for name, values in re.findall(r"^PREFIX\((\w+), \{(.*)\}\)$", text, re.M)
        }

    def prefixes_of(self, field):
        return self.prefixes.get(field, [])

    def name(self, field, prefix):
        # &"--all-warnings"[2] (15), llvm::StringLiteral("all-warnings") (17), "--all-warnings" (19).
        name = re.fullmatch(r'([^"]*)"([^"]*)"(?:\[(\d+)\]|\))?', field)
        if name[1].endswith("("):
            return name[2]
        return name[2][int(name[3]) :] if name[1] else name[2].removeprefix(prefix)


class Offsets:
    """The same where an entry has offsets into two tables (from clang 21 on)."""

    def __init__(self, text):
        storage = text[text.index("OptionStrTableStorage[] =") :]
        literals = re.findall(r'^  "(.*)"', storage[: storage.index(";\n")], re.M)
        self.storage = "".join(literals).replace("\\0", "\0")
        if "\\" in self.storage or not self.storage.isascii():
            sys.exit("the string table holds an escape sequence that is not \\0")
        table = text[text.index("OptionPrefixesTable[] = {") :]
        table = re.sub(r"/\*.*?\*/", "", table[table.index("{") + 1 : table.index("}")])
        self.table = [int(number) for number in table.split(",")]

    def at(self, offset):
        return self.storage[offset : self.storage.index("\0", offset)]

    def prefixes_of(self, field):
        start = int(field) + 1
        return [self.at(offset) for offset in self.table[start : start + self.table[start - 1]]]

    def name(self, field, prefix):
        return self.at(int(field)).removeprefix(prefix)


def options(version, text):
    """Yields (spelling, kind) of every option that the driver accepts."""
    words = lambda text: {word.strip() for word in text.split("|")}
    names = Offsets(text) if "OptionStrTableStorage" in text else Strings(text)
    body = text[text.index("#ifdef OPTION\n") :]
    body = body[: body.index("#endif // OPTION")]
    for entry in body.split("\nOPTION(")[1:]:
        field = fields(entry)
        kind, prefixes = field[3], names.prefixes_of(field[0])
        if kind in ("Input", "Unknown", "Group"):
            continue
        flags, visibility, number = (
            (field[7], field[8], field[9]) if version >= 18 else (field[7], "", field[8])
        )
        if not visible(version, words(flags), words(visibility)):
            continue
        name = names.name(field[1], prefixes[0])
        letter = number if kind == "MultiArg" else KINDS[kind]
        for prefix in prefixes:
            if prefix != "/":
                yield prefix + name, letter


def union(versions):
    table, conflicts = {}, []
    for number, options in versions.items():
        for spelling, kind in options.items():
            have = table.get(spelling, kind)
            table[spelling] = merged(spelling, have, kind) or have
            if not merged(spelling, have, kind):
                conflicts.append(f"{spelling}: {have}, and to clang {number} it is {kind}")
    for spelling, kind in table.items():
        for number, options in versions.items():
            # A version without the option may still accept its spelling, as a shorter one.
            found = match(options, spelling)
            resolved = spelling in RESOLVED or spelling.startswith(RESOLVED_FAMILIES)
            if found and values(found) != values(kind) and not resolved:
                conflicts.append(f"{spelling}: {kind}, and to clang {number} it is {found}")
    if conflicts:
        sys.exit("\n".join(conflicts))
    return table


def merged(spelling, one, other):
    """What stands for two kinds of one spelling; `None`: nobody has said."""
    same = one if one == other else MERGED.get(frozenset((one, other)))
    return RESOLVED.get(spelling, same)


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
    versions, inputs = {}, []
    for number, path in (argument.split("=", 1) for argument in sys.argv[1:]):
        with open(path, "rb") as file:
            content = file.read()
        inputs.append((number, hashlib.sha256(content).hexdigest()))
        options_of = versions[int(number)] = {}
        for spelling, kind in options(int(number), content.decode("utf-8")):
            options_of[spelling] = merged(spelling, options_of.get(spelling, kind), kind)
            if not options_of[spelling]:
                sys.exit(f"{spelling}: two kinds in clang {number}")
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
    *first, last = map(str, versions)
    numbers = f"{', '.join(first)} and {last}"
    print(f"//! Options of clang {numbers} as [`options`](super::options) looks them up.")
    print("//!")
    print("//! Made by `scripts/generate-options.sh`, do not edit, of these Options.inc (SHA-256):")
    print("//!")
    for number, digest in inputs:
        print(f"//! clang {number}: {digest}")
    print("//!")
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
