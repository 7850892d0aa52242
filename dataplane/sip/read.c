/* SPDX-License-Identifier: BSD-3-Clause */
/* read.c - the vector pass first, libosip2 where that is not certain, or always if so configured. */
#include "dataplane/sip/osip.h"
#include "dataplane/sip/reader.h"

enum sb_read sb_sip_index(struct sb_sip *sip, const char *text, uint32_t len)
{
#ifdef SB_READINGS
	if (sb_has_v4())
		return sb_index_v4(sip, text, len);
	if (sb_has_v3())
		return sb_index_v3(sip, text, len);
#endif
	return sb_index(sip, text, len);
}

bool sb_sip_brief(struct sb_sip *sip, const char *text, uint32_t len)
{
#ifdef SB_READINGS
	if (sb_has_v4())
		return sb_brief_v4(sip, text, len);
	if (sb_has_v3())
		return sb_brief_v3(sip, text, len);
#endif
	return sb_brief(sip, text, len);
}

bool sb_sip_ack_of(const char *text, uint32_t len, const char start[8])
{
#ifdef SB_READINGS
	if (sb_has_v4())
		return sb_ack_of_v4(text, len, start);
	if (sb_has_v3())
		return sb_ack_of_v3(text, len, start);
#endif
	return sb_ack_of(text, len, start);
}

int sb_sip_via_below(const struct sb_sip *sip, struct sb_via *via)
{
#ifdef SB_READINGS
	if (sb_has_v4())
		return sb_via_below_v4(sip, via);
	if (sb_has_v3())
		return sb_via_below_v3(sip, via);
#endif
	return sb_via_below(sip, via);
}

enum sb_read sb_sip_read(struct sb_sip *sip, const char *text, uint32_t len, bool parser_osip, bool *asked_osip)
{
	enum sb_read read = sb_sip_index(sip, text, len);
	*asked_osip = (read == SB_READ_REQUEST || read == SB_READ_RESPONSE) && (sip->odd || parser_osip);
	if (!*asked_osip || sb_osip_accepts(sip))
		return read;
	sip->error = sb_osip_no_room() ? 513 : 400; /* RFC 3261 21.5.7: it exceeds our capabilities */
	sip->error_text = sip->error == 513 ? "Message Too Large" : "Bad Request";
	return read == SB_READ_REQUEST ? SB_READ_BAD_REQUEST : SB_READ_BAD_RESPONSE;
}
