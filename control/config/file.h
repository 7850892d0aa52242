/* SPDX-License-Identifier: BSD-3-Clause */
/* file.h - a whole file in memory. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

#define SB_FILE_BYTES_MAX (1ull << 30)

/* The whole file with a NUL behind it, the caller frees it. Not by its size: it may be a pipe, unless regular asks for
 * what cannot make anybody wait. 0, SB_E_NOMEM, SB_E_INVAL (not regular) or SB_E_IO with errno. */
int sb_file_read(const char *file, bool regular, char **text, size_t *len);
