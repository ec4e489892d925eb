"""The operating system user that the server runs as.

PostgreSQL refuses to run as root. So a root user's server runs as the owner of its data
directory, and for a new one as `postgres` or, on slim images, as `nobody`.
"""

import dataclasses
import os
import pwd
import stat
from pathlib import Path
from typing import Self, TypedDict

from config.workbench.embedded_postgres.errors import EmbeddedPostgresError

ROOT_UID = 0
STAND_INS_FOR_ROOT = ("postgres", "nobody")


class Impersonation(TypedDict, total=False):
    """Arguments of `subprocess.run` that switch to another user."""

    user: int
    group: int
    extra_groups: list[int]


@dataclasses.dataclass(frozen=True)
class ServerAccount:
    """A user id and its primary group."""

    uid: int
    gid: int

    @classmethod
    def for_data_dir(cls, data_dir: Path) -> Self:
        """Return the account that serves `data_dir`, whether or not it exists yet."""
        if os.geteuid() != ROOT_UID:
            return cls(os.geteuid(), os.getegid())
        if data_dir.exists():
            owner = data_dir.stat()
            return cls(owner.st_uid, owner.st_gid)
        return cls.standing_in_for_root()

    @classmethod
    def standing_in_for_root(cls) -> Self:
        """Return the first harmless account that this machine has."""
        entries = {entry.pw_name: entry for entry in pwd.getpwall()}
        for name in STAND_INS_FOR_ROOT:
            if name in entries:
                return cls(entries[name].pw_uid, entries[name].pw_gid)
        message = (
            "PostgreSQL does not run as root, and this machine has neither a user"
            " 'postgres' nor 'nobody': run as an ordinary user or set DATABASE_URL."
        )
        raise EmbeddedPostgresError(message)

    @property
    def is_another_user(self) -> bool:
        """Return whether starting the server requires switching to another user."""
        return self.uid != os.geteuid()

    @property
    def impersonation(self) -> Impersonation:
        """Return what `subprocess.run` needs to run a program as this account."""
        if not self.is_another_user:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def can_reach(self, path: Path) -> bool:
        """Return whether this account may enter every directory on the way to `path`."""
        resolved = path.resolve()
        return all(
            self._may_enter(directory.stat()) for directory in (resolved, *resolved.parents) if directory.exists()
        )

    def _may_enter(self, directory: os.stat_result) -> bool:
        if directory.st_uid == self.uid:
            return bool(directory.st_mode & stat.S_IXUSR)
        if directory.st_gid == self.gid:
            return bool(directory.st_mode & stat.S_IXGRP)
        return bool(directory.st_mode & stat.S_IXOTH)
