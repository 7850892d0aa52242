/* SPDX-License-Identifier: BSD-3-Clause */
/* text.c - times, sizes and foreign text as a terminal may be given them. */
#include "control/ctl/ctl.h"
#include <string.h>
#include <time.h>

void ctl_clean(char *text)
{
	for (unsigned char *c = (unsigned char *)text; c && *c; c++) {
		if (*c < ' ' || *c == 0x7f)
			*c = '?';
		else if (*c == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f) /* C1 controls: some terminals obey them */
			c[0] = c[1] = '?';
	}
}

const char *ctl_text(const json_t *o, const char *key)
{
	char *text = (char *)(uintptr_t)json_string_value(json_object_get(o, key));
	if (!text)
		return "";
	ctl_clean(text);
	return text;
}

json_int_t ctl_int(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

const char *ctl_age(json_int_t ms, char out[CTL_TIME_MAX])
{
	long long s = ms / 1000;
	if (ms < 1000)
		snprintf(out, CTL_TIME_MAX, "%lld ms", (long long)ms);
	else if (s < 120)
		snprintf(out, CTL_TIME_MAX, "%lld.%lld s", s, (long long)(ms % 1000 / 100));
	else if (s < 3600)
		snprintf(out, CTL_TIME_MAX, "%lld m %lld s", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, CTL_TIME_MAX, "%lld h %lld m", s / 3600, s / 60 % 60);
	else
		snprintf(out, CTL_TIME_MAX, "%lld d %lld h", s / 86400, s / 3600 % 24);
	return out;
}

const char *ctl_bytes(json_int_t bytes, char out[CTL_TIME_MAX])
{
	static const char *const unit[] = {"KiB", "MiB", "GiB", "TiB"};
	double v = (double)bytes / 1024;
	unsigned u = 0;
	if (bytes < 1024) {
		snprintf(out, CTL_TIME_MAX, "%lld B", (long long)bytes);
		return out;
	}
	for (; v >= 1024 && u < 3; u++)
		v /= 1024;
	snprintf(out, CTL_TIME_MAX, "%.1f %s", v, unit[u]);
	return out;
}

const char *ctl_wall(json_int_t wall_ms, char out[CTL_TIME_MAX])
{
	time_t s = (time_t)(wall_ms / 1000);
	struct tm tm;
	size_t n = localtime_r(&s, &tm) ? strftime(out, CTL_TIME_MAX, "%Y-%m-%d %H:%M:%S", &tm) : 0;
	snprintf(out + n, CTL_TIME_MAX - n, ".%03d", (int)(wall_ms % 1000));
	return out;
}
