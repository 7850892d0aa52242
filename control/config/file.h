/* SPDX-License-Identifier: BSD-3-Clause */
/* file.h - a whole file in memory. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define SB_FILE_BYTES_MAX (1ull << 30)

/* The whole file with a NUL behind it, the caller frees it. It must be a regular one, which makes nobody wait; with
 * pipe_too it may be a pipe, which is read until nobody has it open for writing. 0, SB_E_NOMEM, SB_E_INVAL (it is
 * neither) or SB_E_IO with errno. */
int sb_file_read(const char *file, bool pipe_too, char **text, size_t *len);
