/* SPDX-License-Identifier: BSD-3-Clause */
/* file.h - a whole file in memory. */
#pragma once
#include "control/config/mistakes.h"

#define SB_FILE_BYTES_MAX (1ull << 30)

/* The whole file with a NUL behind it, the caller frees it. It must be a regular one, which makes nobody wait; with
 * pipe_too it may be a pipe, which is read until nobody has it open for writing. load: whose file it is, which may be
 * given up; NULL: nobody's. 0, SB_E_NOMEM, SB_E_INVAL (it is neither), SB_E_STOPPED or SB_E_IO with errno. */
int sb_file_read(const char *file, bool pipe_too, struct sb_mistakes *load, char **text, size_t *len);
