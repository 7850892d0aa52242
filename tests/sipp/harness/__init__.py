# SPDX-License-Identifier: BSD-3-Clause
"""What the end-to-end tests and the demonstration stand on: namespaces, captures, SIP peers, the daemon under test.
Debian's own python3 and its standard library, nothing else."""
