#!/usr/bin/env python3
"""Makes the pictures of terminals, as tmux has them: build.svg in the middle of a build, and explore.svg.

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

HERE = os.path.dirname(os.path.abspath(__file__))
CELL_WIDTH, CELL_HEIGHT, MARGIN = 8.4, 19, 14
COLOURS = {31: "#f47067", 32: "#57ab5a", 33: "#c69026", 34: "#539bf5", 35: "#b083f0", 36: "#39c5cf", 90: "#768390"}
PLAIN, DIM, GROUND = "#cdd9e5", "#768390", "#1c2128"

# What is built for the picture of a build; its other parts are slow enough to be seen.
SLOW = r"""FROM busybox AS libraries
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
# What is built to be explored.
WASTEFUL = r"""FROM busybox
RUN mkdir -p /srv/app /var/cache/apk && \
    head -c 922000 /dev/urandom > /var/cache/apk/APKINDEX.tar.gz && \
    head -c 6290000 /dev/urandom > /srv/app/model.bin
COPY static /srv/app/static
RUN chown -R 1000 /srv/app && rm -r /var/cache/apk
"""


def main():
    rbuild = os.path.abspath(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        env = dict(os.environ, RBUILD_ROOT=os.path.join(folder, "store"), TERM="xterm-256color")
        base = os.path.join(HERE, "..", "..", "fixtures", "busybox.tar.gz")
        subprocess.run([rbuild, "load", "-qi", base], env=env, check=True)
        write(folder, "demo/Dockerfile", SLOW)
        write(folder, "demo/main.c", "int main() { return 0; }\n")
        write(folder, "app/Dockerfile", WASTEFUL)
        write(folder, "app/static/app.js", "0123456789" * 38000)

        title = "A build in a terminal: each step on one line, with its state, its last output and its seconds"
        shown = screen([rbuild, "-t", "demo:1.0", "demo"], (80, 17), [(2.6, None)], env)
        draw("build", title, ["$ rbuild -t demo:1.0 demo"] + shown, 80)

        subprocess.run([rbuild, "build", "-qt", "app:1.0", "app"], cwd=folder, env=env, check=True)
        title = "An image in a terminal: its layers at the left, at the right what could be spared, below it how"
        shown = screen([rbuild, "image", "explore", "app:1.0"], (96, 17), [(3, "w"), (1, None)], env)
        draw("explore", title, ["$ rbuild image explore app:1.0"] + shown, 96)
        subprocess.run(["rm", "-rf", env["RBUILD_ROOT"]], check=True)


def write(folder, name, text):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write(text)


def screen(words, size, keys, env):
    """The lines that a command shows in a terminal, after each key was typed so many seconds later."""
    tmux = ["tmux", "-L", "rbuild-picture-%d" % os.getpid(), "-f", "/dev/null"]
    command = "cd %s && exec %s" % (os.path.dirname(env["RBUILD_ROOT"]), " ".join(words))
    size = ["-x", str(size[0]), "-y", str(size[1])]
    subprocess.run(tmux + ["new-session", "-d"] + size + [command], env=env, check=True)
    for seconds, key in keys:
        time.sleep(seconds)
        if key:
            subprocess.run(tmux + ["send-keys", key], env=env, check=True)
    shown = subprocess.run(tmux + ["capture-pane", "-e", "-p"], env=env, check=True, capture_output=True, text=True)
    subprocess.run(tmux + ["kill-server"], env=env, check=True)
    time.sleep(1)
    return shown.stdout.rstrip("\n").split("\n")


def draw(name, title, lines, columns):
    with open(os.path.join(HERE, name + ".svg"), "w") as file:
        file.write(svg(title, lines, columns))


def svg(title, lines, columns):
    width = columns * CELL_WIDTH + 2 * MARGIN
    height = len(lines) * CELL_HEIGHT + 2 * MARGIN
    out = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" role="img">' % (width, height),
        "<title>%s</title>" % title,
        '<rect width="100%%" height="100%%" rx="8" fill="%s"/>' % GROUND,
        '<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, monospace" font-size="14" fill="%s" '
        'xml:space="preserve">' % PLAIN,
    ]
    for row, line in enumerate(lines):
        column, top = 0, MARGIN + row * CELL_HEIGHT
        for style, is_reversed, text in pieces(line):
            if is_reversed:
                place = (MARGIN + column * CELL_WIDTH, top, len(text) * CELL_WIDTH, CELL_HEIGHT)
                out.append('<rect x="%.1f" y="%.1f" width="%.1f" height="%d"/>' % place)
            # Each word has its place, so that a font of another width keeps the columns.
            for word in re.finditer(r"\S+(?: \S+)*", text):
                x = MARGIN + (column + word.start()) * CELL_WIDTH
                y = top + 0.75 * CELL_HEIGHT
                length = len(word.group()) * CELL_WIDTH
                out.append(
                    '<text x="%.1f" y="%.1f" textLength="%.1f"%s>%s</text>'
                    % (x, y, length, style, html.escape(word.group()))
                )
            column += len(text)
    return "\n".join(out + ["</g>", "</svg>", ""])


def pieces(line):
    """The texts of a line with the attributes that SVG has for their colours, and whether they are reversed."""
    colour, bold, is_reversed, position = PLAIN, False, False, 0
    for match in list(re.finditer(r"\x1b\[([0-9;]*)m", line)) + [None]:
        text = line[position : match.start() if match else len(line)]
        if text:
            shown = GROUND if is_reversed else colour
            style = (' fill="%s"' % shown if shown != PLAIN else "") + (' font-weight="bold"' if bold else "")
            yield style, is_reversed, text
        if match is None:
            return
        position = match.end()
        for code in (int(code or 0) for code in match.group(1).split(";")):
            if code == 0:
                colour, bold, is_reversed = PLAIN, False, False
            elif code == 7:
                is_reversed = True
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
