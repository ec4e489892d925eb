"""Settings for `postgresql.conf` of a new cluster, sized to this machine."""

import os
from collections.abc import Mapping
from pathlib import Path

MEBIBYTE = 1024 * 1024
SHARED_BUFFERS_MIN_MB, SHARED_BUFFERS_MAX_MB = 64, 2048
MAINTENANCE_MEMORY_MAX_MB = 512

# For a cluster that may be lost with the machine. A commit still reaches the kernel, so a killed server forgets
# nothing.
UNSAFE_BUT_FAST = {"fsync": "off", "full_page_writes": "off"}
SAFE = dict.fromkeys(UNSAFE_BUT_FAST, "on")


def append_configuration(data_dir: Path, *, is_durable: bool) -> None:
    """Add our settings to the `postgresql.conf` that initdb wrote."""
    lines = [f"{name} = {value}\n" for name, value in _settings(is_durable=is_durable).items()]
    with (data_dir / "postgresql.conf").open("a") as file:
        file.writelines(["\n# Countinghouse\n", *lines])


def _settings(*, is_durable: bool) -> Mapping[str, str]:
    memory_mb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // MEBIBYTE
    buffers_mb = min(max(memory_mb // 8, SHARED_BUFFERS_MIN_MB), SHARED_BUFFERS_MAX_MB) if is_durable else 128
    return {
        "listen_addresses": "''",
        "unix_socket_permissions": "0700",
        "max_connections": "200",
        "shared_buffers": f"{buffers_mb}MB",
        "effective_cache_size": f"{memory_mb // 2}MB",
        "work_mem": "16MB",
        "maintenance_work_mem": f"{min(max(memory_mb // 16, 64), MAINTENANCE_MEMORY_MAX_MB)}MB",
        # After a checkpoint each page of the index of identities is written whole once more (decision 0024).
        "max_wal_size": "8GB",
        "checkpoint_timeout": "30min",
        "random_page_cost": "1.1",
        "jit": "off",
        "log_min_messages": "warning",
        "timezone": "'UTC'",
        "log_timezone": "'UTC'",
        **(SAFE if is_durable else UNSAFE_BUT_FAST),
    }
