"""The `mesh` program: a table of commands, each imported only when it is called.

So `mesh --help` stays instant, and a broken command breaks nothing else.
"""

import importlib

import click

from mesh import __version__

# name → (module, what `mesh --help` says). To add a command: write mesh/<name>.py with a click
# command called `command`, and one line here. The module may import what it likes.
COMMANDS: dict[str, tuple[str, str]] = {
    "up": ("mesh.up", "start everything on this machine; Ctrl-C stops it"),
    "token": ("mesh.token", "a token for a demo trader"),
    "replay": ("mesh.replay", "re-enact a captured session and prove what came of it"),
    "instruments": ("mesh.instruments", "what can be traded; halt and resume markets"),
    "risk": ("mesh.risk", "limits of accounts, and the switches that stop trading"),
    "bench": ("mesh.bench", "measure a running exchange, or the engine alone"),
    "engine": ("mesh.engine", "run a command file through the matching engine"),
    "reset": ("mesh.reset", "forget all data, after asking"),
    "edge": ("mesh.edge", "make and check the edge's configuration"),
    "migrate": ("mesh.migrate", "bring the database to what this release needs"),
}

EXAMPLES = """
\b
Examples:
  mesh up                  start everything here; Ctrl-C stops it
  mesh token trader-1      a token for a demo trader
  mesh replay FILE...      re-enact a captured session through the edge
  mesh bench orders --json measure the order path
  mesh reset               forget all data, after asking
"""


class LazyGroup(click.Group):
    """A click group that imports the module of a command when the command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table, which is the order a newcomer meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command, or None for a name that the table does not have."""
        if cmd_name not in COMMANDS:
            return None
        module, _ = COMMANDS[cmd_name]
        command: click.Command = importlib.import_module(module).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, without importing any."""
        if COMMANDS:
            with formatter.section("Commands"):
                formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])


@click.group(cls=LazyGroup, epilog=EXAMPLES)
@click.version_option(__version__, prog_name="mesh")
def main() -> None:
    """Start, fill, measure and empty a QuantaMesh on this machine."""


if __name__ == "__main__":
    main(prog_name="mesh")
