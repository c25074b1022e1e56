#!/usr/bin/env python3
"""Makes docs/pictures/build.svg: what `rbuild build` shows in tmux at 80 columns, in the middle of a build.

make.py RBUILD

Needs tmux, and what `rbuild build` needs for RUN.
"""
import html
import os
import re
import subprocess
import sys
import tempfile
import time

COLUMNS, ROWS = 80, 17
CELL_WIDTH, CELL_HEIGHT, MARGIN = 8.4, 19, 14
COLOURS = {31: "#f47067", 32: "#57ab5a", 33: "#c69026", 34: "#539bf5", 35: "#b083f0", 36: "#39c5cf", 90: "#768390"}
PLAIN, DIM, GROUND = "#cdd9e5", "#768390", "#1c2128"

DOCKERFILE = r"""FROM busybox AS libraries
RUN --mount=type=cache,target=/cache for name in zlib openssl curl sqlite; do \
      echo "fetching $name"; sleep 0.9; done; mkdir /deps

FROM busybox AS build
WORKDIR /src
COPY . .
RUN for file in lexer parser resolver checker codegen linker; do \
      echo "cc -O2 -c $file.c"; sleep 0.7; done; echo done > /app

FROM busybox
COPY --from=libraries /deps /deps
COPY --from=build /app /app
"""


def main():
    rbuild = os.path.abspath(sys.argv[1])
    here = os.path.dirname(os.path.abspath(__file__))
    base = os.path.join(here, "..", "..", "fixtures", "busybox.tar.gz")
    with tempfile.TemporaryDirectory() as folder:
        context = os.path.join(folder, "demo")
        os.mkdir(context)
        for name, text in (("Dockerfile", DOCKERFILE), ("main.c", "int main() { return 0; }\n")):
            with open(os.path.join(context, name), "w") as file:
                file.write(text)
        env = dict(os.environ, RBUILD_ROOT=os.path.join(folder, "store"), TERM="xterm-256color")
        subprocess.run([rbuild, "load", "-qi", base], env=env, check=True)
        tmux = ["tmux", "-L", "rbuild-picture-%d" % os.getpid(), "-f", "/dev/null"]
        command = "cd %s && exec %s -t demo:1.0 demo" % (folder, rbuild)
        subprocess.run(tmux + ["new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), command], env=env, check=True)
        time.sleep(2.6)
        screen = subprocess.run(tmux + ["capture-pane", "-e", "-p"], env=env, check=True, capture_output=True, text=True)
        subprocess.run(tmux + ["kill-server"], env=env, check=True)
        time.sleep(1)
        subprocess.run(["rm", "-rf", env["RBUILD_ROOT"]], check=True)
    lines = screen.stdout.rstrip("\n").split("\n")
    with open(os.path.join(here, "build.svg"), "w") as file:
        file.write(svg(["$ rbuild -t demo:1.0 demo"] + lines))


def svg(lines):
    width = COLUMNS * CELL_WIDTH + 2 * MARGIN
    height = len(lines) * CELL_HEIGHT + 2 * MARGIN
    out = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" role="img">' % (width, height),
        "<title>A build in a terminal: each step on one line, with its state, its last output and its seconds</title>",
        '<rect width="100%%" height="100%%" rx="8" fill="%s"/>' % GROUND,
        '<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14" fill="%s" '
        'xml:space="preserve">' % PLAIN,
    ]
    for row, line in enumerate(lines):
        column = 0
        for style, text in pieces(line):
            # Each word has its place, so that a font of another width keeps the columns.
            for word in re.finditer(r"\S+(?: \S+)*", text):
                x = MARGIN + (column + word.start()) * CELL_WIDTH
                y = MARGIN + (row + 0.75) * CELL_HEIGHT
                length = len(word.group()) * CELL_WIDTH
                out.append(
                    '<text x="%.1f" y="%.1f" textLength="%.1f"%s>%s</text>'
                    % (x, y, length, style, html.escape(word.group()))
                )
            column += len(text)
    return "\n".join(out + ["</g>", "</svg>", ""])


def pieces(line):
    """The texts of a line with the attributes that SVG has for their colours."""
    colour, bold, position = PLAIN, False, 0
    for match in list(re.finditer(r"\x1b\[([0-9;]*)m", line)) + [None]:
        text = line[position : match.start() if match else len(line)]
        if text:
            yield (' fill="%s"' % colour if colour != PLAIN else "") + (' font-weight="bold"' if bold else ""), text
        if match is None:
            return
        position = match.end()
        for code in (int(code or 0) for code in match.group(1).split(";")):
            if code == 0:
                colour, bold = PLAIN, False
            elif code == 1:
                bold = True
            elif code == 2:
                colour = DIM
            elif code == 22:
                bold = False
            elif code == 39:
                colour = PLAIN
            elif code in COLOURS:
                colour = COLOURS[code]


main()
