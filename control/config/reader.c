/* SPDX-License-Identifier: BSD-3-Clause */
#include "control/config/reader.h"
#include "control/config/names.h"
#include "control/config/value.h"
#include <yaml.h>

#define PATH_MAX_BYTES 200
#define MERGE_DEPTH    4 /* "<<" of a mapping that itself has "<<"; an alias may even name what it stands in */
#define CODES_MAX      600

/* Everything the raw form points to, freed at once. */
struct block {
	struct block *next;
	alignas(16) uint8_t bytes[];
};

struct sb_reading {
	yaml_document_t doc;
	bool have_doc;
	struct sb_mistakes *m;
	struct block *blocks;
	struct sb_raw raw;
	size_t path_len;
	char path[PATH_MAX_BYTES]; /* of what is being read: "trunks[1].probe.min" */
};

static bool read_value(struct sb_reading *r, const struct sb_key *k, yaml_node_t *node, void *out);

static void *allocate(struct sb_reading *r, size_t size)
{
	struct block *b = calloc(1, sizeof *b + size);
	if (!b) {
		r->m->nomem = true;
		return NULL;
	}
	b->next = r->blocks;
	r->blocks = b;
	return b->bytes;
}

static uint32_t line_of(const yaml_node_t *node)
{
	return (uint32_t)node->start_mark.line + 1;
}

/* Copies at most max bytes of text, cut short at a whole UTF-8 character and without control characters. */
static size_t clean(char *to, const char *text, size_t len, size_t max)
{
	size_t n = len < max ? len : max;
	while (n < len && n > 0 && ((uint8_t)text[n] & 0xc0) == 0x80)
		n--;
	for (size_t i = 0; i < n; i++)
		to[i] = (uint8_t)text[i] < ' ' || text[i] == 127 ? '?' : text[i];
	to[n] = 0;
	return n;
}

static size_t push_key(struct sb_reading *r, const char *key)
{
	size_t before = r->path_len, room = sizeof r->path - 1 - before;
	if (before && room)
		r->path[r->path_len++] = '.';
	room = sizeof r->path - 1 - r->path_len;
	r->path_len += clean(r->path + r->path_len, key, strlen(key), room < 40 ? room : 40);
	return before;
}

static size_t push_index(struct sb_reading *r, uint32_t i)
{
	size_t before = r->path_len;
	int n = snprintf(r->path + before, sizeof r->path - before, "[%u]", i);
	r->path_len += n < (int)(sizeof r->path - before) ? (size_t)n : sizeof r->path - before - 1;
	return before;
}

static void pop(struct sb_reading *r, size_t before)
{
	r->path_len = before;
	r->path[before] = 0;
}

/* What the file says, fit for a line of a message. */
static const char *quote(const yaml_node_t *node, char buf[64])
{
	size_t len = node->data.scalar.length;
	buf[0] = '"';
	size_t n = clean(buf + 1, (const char *)node->data.scalar.value, len, 40);
	snprintf(buf + 1 + n, 63 - n, n < len ? "...\"" : "\"");
	return buf;
}

static const char *shape_of(const yaml_node_t *node, char buf[64])
{
	if (node->type == YAML_SEQUENCE_NODE)
		return "a list";
	return node->type == YAML_MAPPING_NODE ? "a mapping" : quote(node, buf);
}

/* "key:" and nothing after it. */
static bool is_null(const yaml_node_t *node)
{
	if (node->type != YAML_SCALAR_NODE || node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
		return false;
	const char *text = (const char *)node->data.scalar.value;
	return !*text || strcmp(text, "~") == 0 || strcmp(text, "null") == 0;
}

static bool wrong_value(struct sb_reading *r, const struct sb_key *k, const yaml_node_t *node, const char *what)
{
	char allowed[SB_ALLOWED_MAX], text[64];
	const char *subject = is_null(node) ? "is empty" : shape_of(node, text);
	if (is_null(node))
		what = "";
	sb_mistake(r->m, line_of(node), "%s: %s%s%s, allowed: %s", r->path, subject, *what ? " " : "", what,
	        sb_value_allowed(k, allowed));
	return false;
}

static bool read_scalar(struct sb_reading *r, const struct sb_key *k, yaml_node_t *node, void *out)
{
	if (node->type != YAML_SCALAR_NODE || is_null(node))
		return wrong_value(r, k, node, "is not one value");
	const char *text = (const char *)node->data.scalar.value;
	const char *wrong = strlen(text) == node->data.scalar.length ? sb_value_read(k, text, out) : "has a NUL in it";
	return !wrong || wrong_value(r, k, node, wrong);
}

/* The items of a sequence node; n 0 when node is null. False when it is something else. */
static bool items_of(yaml_node_t *node, yaml_node_item_t **first, size_t *n)
{
	*first = NULL;
	*n = 0;
	if (is_null(node))
		return true;
	if (node->type != YAML_SEQUENCE_NODE)
		return false;
	*first = node->data.sequence.items.start;
	*n = (size_t)(node->data.sequence.items.top - *first);
	return true;
}

static bool read_codes(struct sb_reading *r, const struct sb_key *k, yaml_node_t *node, void *out)
{
	struct sb_status_set set = {0};
	yaml_node_item_t *item;
	size_t n;
	bool good = true;
	if (!items_of(node, &item, &n)) {
		good = read_scalar(r, k, node, &set);
	} else if (n > CODES_MAX) {
		good = wrong_value(r, k, node, "is too long");
	} else {
		for (size_t i = 0; i < n; i++) {
			size_t before = push_index(r, (uint32_t)i);
			good &= read_scalar(r, k, yaml_document_get_node(&r->doc, item[i]), &set);
			pop(r, before);
		}
	}
	if (good)
		memcpy(out, &set, sizeof set);
	return good;
}

static bool read_list(struct sb_reading *r, const struct sb_key *k, yaml_node_t *node, void *out)
{
	struct {
		void *list;
		uint32_t n;
	} made = {0};
	yaml_node_item_t *item;
	size_t n;
	if (!items_of(node, &item, &n))
		return wrong_value(r, k, node, "is not a list");
	if (n < k->min || n > k->max) {
		sb_mistake(r->m, line_of(node), "%s: has %zu entries, allowed: %u to %u", r->path, n, k->min, k->max);
		n = n > k->max ? k->max : n;
	}
	uint8_t *entries = allocate(r, n * k->list->size);
	if (!entries)
		return false;
	bool good = true;
	for (size_t i = 0; i < n && !sb_mistakes_stopped(r->m); i++) {
		yaml_node_t *entry = yaml_document_get_node(&r->doc, item[i]);
		uint8_t *to = entries + i * k->list->size;
		uint32_t line = line_of(entry);
		size_t before = push_index(r, (uint32_t)i);
		memcpy(to + k->list->line, &line, sizeof line);
		good &= read_value(r, &k->list->item, entry, to + k->list->item.offset);
		pop(r, before);
	}
	made.list = entries;
	made.n = (uint32_t)n;
	memcpy(out, &made, sizeof made);
	return good;
}

static void fill_presets(const struct sb_map *map, uint8_t *out)
{
	for (uint32_t i = 0; i < map->n; i++) {
		const struct sb_key *k = &map->keys[i];
		if (k->kind == SB_V_MAP)
			fill_presets(k->map, out + k->offset);
		else if (k->preset)
			sb_value_read(k, k->preset, out + k->offset);
	}
}

static void unknown_key(struct sb_reading *r, const struct sb_map *map, const yaml_node_t *key)
{
	char allowed[SB_ALLOWED_MAX] = "";
	struct sb_nearest near = {0};
	size_t len = 0, before = push_key(r, (const char *)key->data.scalar.value);
	for (uint32_t i = 0; i < map->n; i++) {
		sb_nearest_try(&near, (const char *)key->data.scalar.value, map->keys[i].name);
		len += (size_t)snprintf(allowed + len, sizeof allowed - len, "%s%s", i ? ", " : "", map->keys[i].name);
	}
	sb_mistake(r->m, line_of(key), "%s: unknown key%s%s%s, allowed: %s", r->path,
	        near.best ? " (did you mean " : "", near.best ? near.best : "", near.best ? "?)" : "", allowed);
	pop(r, before);
}

static const struct sb_key *find_key(const struct sb_map *map, const yaml_node_t *key)
{
	for (uint32_t i = 0; i < map->n; i++) {
		if (strcmp(map->keys[i].name, (const char *)key->data.scalar.value) == 0)
			return &map->keys[i];
	}
	return NULL;
}

/* One "key: value". What a merge brings gives way to what is there already. */
static void read_pair(
        struct sb_reading *r, const struct sb_map *map, const yaml_node_pair_t *pair, uint8_t *out, bool merged)
{
	yaml_node_t *key = yaml_document_get_node(&r->doc, pair->key);
	yaml_node_t *value = yaml_document_get_node(&r->doc, pair->value);
	struct sb_at *at = (struct sb_at *)(void *)out;
	if (key->type != YAML_SCALAR_NODE) {
		char text[64];
		sb_mistake(r->m, line_of(key), "%s: %s cannot be a key, allowed: a word",
		        r->path_len ? r->path : "file", shape_of(key, text));
		return;
	}
	const struct sb_key *k = find_key(map, key);
	if (!k) {
		unknown_key(r, map, key);
		return;
	}
	uint32_t *line = &at->key[k - map->keys];
	size_t before = push_key(r, k->name);
	if (*line && !merged) {
		sb_mistake(r->m, line_of(key), "%s: is given twice, first in line %u, allowed: once", r->path, *line);
	} else if (!*line) {
		*line = line_of(key);
		read_value(r, k, value, out + k->offset);
	}
	pop(r, before);
}

static bool is_merge(struct sb_reading *r, const yaml_node_pair_t *pair)
{
	const yaml_node_t *key = yaml_document_get_node(&r->doc, pair->key);
	return key->type == YAML_SCALAR_NODE && strcmp((const char *)key->data.scalar.value, "<<") == 0;
}

static void wrong_merge(struct sb_reading *r, const yaml_node_pair_t *pair, const char *what)
{
	size_t before = push_key(r, "<<");
	sb_mistake(r->m, line_of(yaml_document_get_node(&r->doc, pair->key)), "%s: %s, allowed: one alias of a mapping",
	        r->path, what);
	pop(r, before);
}

/* Reads the keys that the mapping gives itself, then those it merges ("<<: *other"), which give way to its own. */
static void read_pairs(struct sb_reading *r, const struct sb_map *map, yaml_node_t *node, uint8_t *out, unsigned depth)
{
	const yaml_node_pair_t *first = node->data.mapping.pairs.start, *end = node->data.mapping.pairs.top;
	const yaml_node_pair_t *merge = NULL;
	for (const yaml_node_pair_t *p = first; p < end; p++) {
		if (!is_merge(r, p))
			read_pair(r, map, p, out, depth > 0);
		else if (!merge)
			merge = p;
		else
			wrong_merge(r, p, "is given twice");
	}
	if (!merge)
		return;
	yaml_node_t *other = yaml_document_get_node(&r->doc, merge->value);
	if (other->type != YAML_MAPPING_NODE)
		wrong_merge(r, merge, "is not a mapping");
	else if (depth == MERGE_DEPTH)
		wrong_merge(r, merge, "is nested too deep");
	else
		read_pairs(r, map, other, out, depth + 1);
}

static bool read_map(struct sb_reading *r, const struct sb_key *k, yaml_node_t *node, uint8_t *out)
{
	struct sb_at *at = (struct sb_at *)(void *)out;
	at->line = line_of(node);
	fill_presets(k->map, out);
	if (node->type == YAML_MAPPING_NODE)
		read_pairs(r, k->map, node, out, 0);
	else if (!is_null(node))
		return wrong_value(r, k, node, "is not a mapping");
	for (uint32_t i = 0; i < k->map->n; i++) {
		const struct sb_key *child = &k->map->keys[i];
		char allowed[SB_ALLOWED_MAX];
		if (!child->required || at->key[i])
			continue;
		size_t before = push_key(r, child->name);
		sb_mistake(r->m, at->line, "%s: is missing, allowed: %s", r->path, sb_value_allowed(child, allowed));
		pop(r, before);
	}
	return true;
}

static bool read_value(struct sb_reading *r, const struct sb_key *k, yaml_node_t *node, void *out)
{
	switch (k->kind) {
	case SB_V_MAP:
		return read_map(r, k, node, out);
	case SB_V_LIST:
		return read_list(r, k, node, out);
	case SB_V_CODES:
		return read_codes(r, k, node, out);
	default:
		return read_scalar(r, k, node, out);
	}
}

/* libyaml gives bytes it cannot decode an offset and no line; without memory it often says nothing at all. */
static void syntax_mistake(struct sb_reading *r, const yaml_parser_t *p, const char *text, size_t len)
{
	uint32_t line = (uint32_t)p->problem_mark.line + 1;
	if (p->error == YAML_MEMORY_ERROR || !p->problem) {
		r->m->nomem = true;
		return;
	}
	if (p->error == YAML_READER_ERROR) {
		line = 1;
		for (size_t i = 0; i < len && i < p->problem_offset; i++)
			line += text[i] == '\n';
	}
	if (p->context && p->context_mark.line + 1 != line)
		sb_mistake(r->m, line, "YAML syntax: %s %s that began in line %zu", p->problem, p->context,
		        p->context_mark.line + 1);
	else
		sb_mistake(r->m, line, "YAML syntax: %s%s%s", p->problem, p->context ? " " : "",
		        p->context ? p->context : "");
}

/* A second document in one file would be lost silently. */
static void check_end(struct sb_reading *r, yaml_parser_t *p, const char *text, size_t len)
{
	yaml_document_t next;
	if (!yaml_parser_load(p, &next)) {
		syntax_mistake(r, p, text, len);
		return;
	}
	if (yaml_document_get_root_node(&next))
		sb_mistake(
		        r->m, (uint32_t)next.start_mark.line + 1, "file: a second YAML document begins, allowed: one");
	yaml_document_delete(&next);
}

struct input {
	struct sb_mistakes *m;
	const char *text;
	size_t left;
};

/* For libyaml, which asks for a few kilobytes at a time: so it is stopped, too. */
static int hand_out(void *ctx, unsigned char *to, size_t size, size_t *n)
{
	struct input *in = ctx;
	if (sb_mistakes_stopped(in->m))
		return 0;
	*n = in->left < size ? in->left : size;
	memcpy(to, in->text, *n);
	in->text += *n;
	in->left -= *n;
	return 1;
}

static int load_document(struct sb_reading *r, const char *text, size_t len)
{
	struct input in = {r->m, text, len};
	yaml_parser_t p;
	if (!yaml_parser_initialize(&p))
		return SB_E_NOMEM;
	yaml_parser_set_input(&p, hand_out, &in);
	if (yaml_parser_load(&p, &r->doc)) {
		r->have_doc = true;
		if (yaml_document_get_root_node(&r->doc))
			check_end(r, &p, text, len);
	} else {
		syntax_mistake(r, &p, text, len);
	}
	yaml_parser_delete(&p);
	return r->m->nomem ? SB_E_NOMEM : r->have_doc ? 0 : SB_E_CONFIG;
}

int sb_reading_new(const char *text, size_t len, struct sb_mistakes *m, struct sb_reading **out)
{
	struct sb_key file = {
	        NULL, SB_V_MAP, .map = sb_schema(), .allowed = "ports, listeners, trunks, groups and routes"};
	struct sb_reading *r = calloc(1, sizeof *r);
	if (!r)
		return SB_E_NOMEM;
	r->m = m;
	int rc = load_document(r, text, len);
	if (rc)
		goto fail;
	rc = SB_E_CONFIG;
	yaml_node_t *root = yaml_document_get_root_node(&r->doc);
	if (!root || is_null(root)) {
		sb_mistake(m, 1, "file: is empty, allowed: %s", file.allowed);
		goto fail;
	}
	if (root->type != YAML_MAPPING_NODE) {
		size_t before = push_key(r, "file");
		wrong_value(r, &file, root, "is not a mapping");
		pop(r, before);
		goto fail;
	}
	read_value(r, &file, root, &r->raw);
	*out = r;
	return m->nomem ? SB_E_NOMEM : 0;
fail:
	sb_reading_free(r);
	return rc;
}

struct sb_raw *sb_reading_raw(struct sb_reading *r)
{
	return &r->raw;
}

void sb_reading_free(struct sb_reading *r)
{
	if (!r)
		return;
	if (r->have_doc)
		yaml_document_delete(&r->doc);
	sb_prefixes_fini(&r->raw.prefixes);
	while (r->blocks) {
		struct block *b = r->blocks;
		r->blocks = b->next;
		free(b);
	}
	free(r);
}
