/* SPDX-License-Identifier: BSD-3-Clause */
/* err.h - the one list of error codes. Functions return 0 or a negative enum sb_err. A bad packet is not an error. */
#pragma once

enum sb_err {
	SB_E_NOMEM = -1,    /* no memory, or a fixed table is full */
	SB_E_INVAL = -2,    /* the caller's text or value is not of the form asked for */
	SB_E_NOENT = -3,    /* no such thing */
	SB_E_EXIST = -4,    /* it is there already */
	SB_E_FULL = -5,     /* a ring has no room now; try again later */
	SB_E_NOSPACE = -6,  /* the output buffer is too small */
	SB_E_FORGED = -7,   /* a keyed token does not carry our signature */
	SB_E_CONFIG = -8,   /* configuration refused; the message list says why (exit code 78) */
	SB_E_IO = -9,       /* the system refused; errno says why */
	SB_E_DEVICE = -10,  /* a port or its driver refused */
	SB_E_BUSY = -11,    /* the same is under way; ask again when it is over */
	SB_E_STOPPED = -12, /* given up, as it was asked to */
};

static inline const char *sb_err_text(int err)
{
	switch (err) {
	case 0:
		return "ok";
	case SB_E_NOMEM:
		return "out of memory";
	case SB_E_INVAL:
		return "invalid value";
	case SB_E_NOENT:
		return "not found";
	case SB_E_EXIST:
		return "already there";
	case SB_E_FULL:
		return "full";
	case SB_E_NOSPACE:
		return "buffer too small";
	case SB_E_FORGED:
		return "signature does not match";
	case SB_E_CONFIG:
		return "configuration refused";
	case SB_E_IO:
		return "input/output error";
	case SB_E_DEVICE:
		return "device error";
	case SB_E_BUSY:
		return "under way already";
	case SB_E_STOPPED:
		return "given up";
	default:
		return "unknown error";
	}
}
