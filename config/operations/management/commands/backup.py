"""`manage.py backup`: dumps, their restore and their proof, and a base with its log and its restore."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from config.environment import database_url
from config.operations import backups
from config.operations.errors import BackupError

PROOFS: Final = ("reconcile", "verify_invoices")
PROOF_SECONDS_MAX: Final = 12 * 3600


class Command(BaseCommand):
    """Take backups, restore them, and prove them, as the owner of the database."""

    help = "Dump and restore the database, and prove a dump; take a base and its log, and restore from them."

    requires_system_checks = ()  # a restore has no schema yet

    def add_arguments(self, parser: CommandParser) -> None:
        """Add each action with its arguments."""
        actions = parser.add_subparsers(dest="action", required=True)
        for name, what in (("dump", "dump the database"), ("base", "copy the whole cluster")):
            action = actions.add_parser(name, help=f"{what} into FOLDER")
            action.add_argument("folder", type=Path)
            action.add_argument(
                "--keep", type=int, default=14, help="How many to keep; older ones are deleted (default: 14)."
            )
        action = actions.add_parser("restore", help="restore DUMP into the database of DATABASE_URL, which is empty")
        action.add_argument("dump", type=Path)
        action = actions.add_parser(
            "prove", help="restore the newest dump of FOLDER into a temporary database, reconcile and verify it"
        )
        action.add_argument("folder", type=Path)
        action = actions.add_parser(
            "receive", help="write the server's log into FOLDER as it is written, until stopped"
        )
        action.add_argument("folder", type=Path)
        action = actions.add_parser("lay_out", help="create a cluster in DIRECTORY from the newest base and its log")
        action.add_argument("folder", type=Path)
        action.add_argument("directory", type=Path)
        action.add_argument("--until", type=datetime.fromisoformat, help="Restore to this time, with a time zone.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run the action, and print its outcome in a sentence."""
        actions = {
            "dump": self._dump,
            "base": self._base,
            "restore": self._restore,
            "prove": self._prove,
            "receive": self._receive,
            "lay_out": self._lay_out,
        }
        if settings.DATABASE_OWNER is None:
            raise CommandError("A backup needs the owner's login: set DATABASE_OWNER_URL for this command.")
        try:
            actions[options["action"]](options, settings.DATABASE_OWNER, timezone.now())
        except BackupError as error:
            raise CommandError(str(error)) from error

    def _dump(self, options: Mapping[str, Any], connection: Mapping[str, Any], as_of: datetime) -> None:
        done = backups.take_dump(
            connection=connection, folder=options["folder"], keep=max(1, options["keep"]), as_of=as_of
        )
        self.stdout.write(f"dumped into {done}, {done.stat().st_size:,} bytes")

    def _base(self, options: Mapping[str, Any], connection: Mapping[str, Any], as_of: datetime) -> None:
        done = backups.take_base(
            connection=connection, folder=options["folder"], keep=max(1, options["keep"]), as_of=as_of
        )
        self.stdout.write(f"copied into {done}, and verified")

    def _restore(self, options: Mapping[str, Any], connection: Mapping[str, Any], as_of: datetime) -> None:
        backups.restore_dump(dump=options["dump"], connection=connection)
        self.stdout.write(f"restored {options['dump'].name} into {connection['NAME']}")

    def _prove(self, options: Mapping[str, Any], connection: Mapping[str, Any], as_of: datetime) -> None:
        """Run each proof as a command on the restored database."""
        dumps = backups.dumps_in(options["folder"])
        if not dumps:
            raise BackupError(f"There is no dump in {options['folder']}.")
        with backups.restored_for_a_while(dump=dumps[0], connection=connection, as_of=as_of) as restored:
            of_owner = {"DATABASE_URL": database_url(restored), "DATABASE_OWNER_URL": "", "DATABASE_AS_OWNER": "1"}
            environment = os.environ | of_owner | {"DATABASE_ROLE": settings.DATABASE_ROLE}
            for proof in PROOFS:
                command = [sys.executable, str(settings.BASE_DIR / "manage.py"), proof]
                done = subprocess.run(
                    command, env=environment, capture_output=True, text=True, check=False, timeout=PROOF_SECONDS_MAX
                )
                self.stdout.write(f"{proof}: {done.stdout.strip()}")
                if done.returncode:
                    raise BackupError(f"{dumps[0].name} is not proven: {proof} ended with {done.returncode}.")
        self.stdout.write(f"{dumps[0].name} restores, and its books agree")

    def _receive(self, options: Mapping[str, Any], connection: Mapping[str, Any], as_of: datetime) -> None:
        receiver = backups.receive_log(connection=connection, folder=options["folder"])
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: receiver.send_signal(signal.SIGINT))
        status = receiver.wait(timeout=None)  # as long as the server runs
        if status:
            raise BackupError(f"pg_receivewal ended with {status}: the reason is above.")

    def _lay_out(self, options: Mapping[str, Any], connection: Mapping[str, Any], as_of: datetime) -> None:
        backups.lay_out_base(folder=options["folder"], data_dir=options["directory"], until=options["until"])
        self.stdout.write(f"{options['directory']} is a cluster: start PostgreSQL on it, and it reads its log")
