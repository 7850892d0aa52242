/* SPDX-License-Identifier: BSD-3-Clause */
/* frames.h - what dataplane/net's part of a message costs. */
#pragma once

void time_frames(void);
