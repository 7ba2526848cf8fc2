/* libyaml reads the document into a tree whose nodes know where they stand; the rows say what each
 * means. */
#include "engine/config/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "engine/config/config_rows.h"

enum { FILE_MAX = 1024 * 1024 };

struct reader {
	struct config *cfg;
	const char *file;
	char *error;
	yaml_document_t doc;
};

/* wrong opens an error at a place in the file; the caller says what was expected.
 * Returns  -EINVAL */
static int wrong(struct reader *r, yaml_mark_t mark)
{
	r->error[0] = '\0';
	config_say(r->error, "%s:%zu:%zu: ", r->file, mark.line + 1, mark.column + 1);
	return -EINVAL;
}

static struct str scalar(const yaml_node_t *node)
{
	return (struct str){
		(const char *)node->data.scalar.value, (uint32_t)node->data.scalar.length};
}

/* is_null is the plain scalar that YAML reads as nothing: "key:" or "key: ~". */
static bool is_null(const yaml_node_t *node)
{
	return node->type == YAML_SCALAR_NODE &&
	       node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (node->data.scalar.length == 0 || str_equal(scalar(node), STR("~")) ||
		       str_equal(scalar(node), STR("null")));
}

/* want checks the type of a node. Returns 0, or -EINVAL with error. */
static int want(struct reader *r, const yaml_node_t *node, yaml_node_type_t type, const char *what)
{
	static const char *const names[] = {"nothing", "a scalar", "a sequence", "a mapping"};
	static const char *const tags[] = {
		"", YAML_DEFAULT_SCALAR_TAG, YAML_DEFAULT_SEQUENCE_TAG, YAML_DEFAULT_MAPPING_TAG};
	int rc = 0;

	if (node->type != type) {
		rc = wrong(r, node->start_mark);
		config_say(r->error, "%s: expected %s, found %s", what, names[type],
			names[node->type]);
	} else if (node->tag && strcmp((const char *)node->tag, tags[type]) != 0) {
		rc = wrong(r, node->start_mark);
		config_say(
			r->error, "%s: tag %.64s: expected no tag", what, (const char *)node->tag);
	}
	return rc;
}

/* key_check wants a scalar key that no pair before it in the mapping has. */
static int key_check(
	struct reader *r, const yaml_node_t *map, const yaml_node_pair_t *pair, const char *what)
{
	const yaml_node_t *key = yaml_document_get_node(&r->doc, pair->key), *other;
	int rc = want(r, key, YAML_SCALAR_NODE, what);

	for (const yaml_node_pair_t *p = map->data.mapping.pairs.start; rc == 0 && p < pair; p++) {
		other = yaml_document_get_node(&r->doc, p->key);
		if (str_equal(scalar(key), scalar(other))) {
			rc = wrong(r, key->start_mark);
			config_say(r->error,
				"key %.*s stands here a second time, first on line %zu",
				(int)scalar(key).len, scalar(key).p, other->start_mark.line + 1);
		}
	}
	return rc;
}

/* scalar_load gives one scalar to the row. */
static int scalar_load(struct reader *r, const struct config_row *row, void *entry,
	const yaml_node_t *node, const char *name)
{
	int rc = want(r, node, YAML_SCALAR_NODE, name);

	if (rc < 0)
		return rc;
	wrong(r, node->start_mark);
	config_say(r->error, "%s: ", name);
	return config_value(r->cfg, row, entry, scalar(node), r->error);
}

static int pairs_load(
	struct reader *r, const struct config_row *row, void *entry, const yaml_node_t *node)
{
	int rc = want(r, node, YAML_MAPPING_NODE, row->key);

	for (const yaml_node_pair_t *p = node->data.mapping.pairs.start;
		rc == 0 && p < node->data.mapping.pairs.top; p++) {
		const yaml_node_t *key = yaml_document_get_node(&r->doc, p->key);
		const yaml_node_t *value = yaml_document_get_node(&r->doc, p->value);

		rc = key_check(r, node, p, row->key);
		if (rc == 0)
			rc = want(r, value, YAML_SCALAR_NODE, row->key);
		if (rc < 0)
			break;
		wrong(r, key->start_mark);
		config_say(r->error, "%s: ", row->key);
		rc = config_append(r->cfg, row, entry, scalar(key), scalar(value), r->error);
	}
	return rc;
}

/* sequence_load takes a sequence of scalars: texts one by one, ports and words joined by commas. */
static int sequence_load(
	struct reader *r, const struct config_row *row, void *entry, const yaml_node_t *node)
{
	char joined[1024] = "";
	size_t len = 0;
	int rc = 0;

	for (const yaml_node_item_t *i = node->data.sequence.items.start;
		rc == 0 && i < node->data.sequence.items.top; i++) {
		const yaml_node_t *item = yaml_document_get_node(&r->doc, *i);

		rc = want(r, item, YAML_SCALAR_NODE, row->key);
		if (rc < 0)
			return rc;
		wrong(r, item->start_mark);
		config_say(r->error, "%s: ", row->key);
		if (row->kind != KIND_TEXTS && len + scalar(item).len + 2 > sizeof(joined)) {
			config_say(r->error, "expected less than 1024 bytes");
			return -EINVAL;
		}
		if (row->kind == KIND_TEXTS) {
			rc = config_append(r->cfg, row, entry, STR(""), scalar(item), r->error);
			continue;
		}
		rc = config_value(r->cfg, row, entry, scalar(item), r->error); /* for its place */
		len += (size_t)snprintf(joined + len, sizeof(joined) - len, "%s,", scalar(item).p);
	}
	if (rc < 0 || row->kind == KIND_TEXTS)
		return rc;
	wrong(r, node->start_mark);
	config_say(r->error, "%s: ", row->key);
	return config_value(r->cfg, row, entry, (struct str){joined, (uint32_t)len}, r->error);
}

/* row_load reads the value of one key. */
static int row_load(
	struct reader *r, const struct config_row *row, void *entry, const yaml_node_t *node)
{
	bool many = row->kind == KIND_TEXTS || row->kind == KIND_PORTS || row->kind == KIND_SET;

	if (is_null(node) || row->kind == KIND_PAIRS || (many && node->type == YAML_SEQUENCE_NODE))
		config_reset(r->cfg, row, entry, r->error);
	if (is_null(node))
		return 0;
	if (row->kind == KIND_PAIRS)
		return pairs_load(r, row, entry, node);
	if (many && node->type == YAML_SEQUENCE_NODE)
		return sequence_load(r, row, entry, node);
	return scalar_load(r, row, entry, node, row->key);
}

/* group_load reads the mapping of a section or of one entry of a list. */
static int group_load(
	struct reader *r, const struct config_group *group, void *entry, const yaml_node_t *node)
{
	int rc = want(r, node, YAML_MAPPING_NODE, group->name);

	if (rc < 0)
		return rc;
	for (const yaml_node_pair_t *p = node->data.mapping.pairs.start;
		rc == 0 && p < node->data.mapping.pairs.top; p++) {
		const yaml_node_t *key = yaml_document_get_node(&r->doc, p->key);
		const struct config_row *row;

		rc = key_check(r, node, p, group->name);
		if (rc < 0)
			return rc;
		row = config_row_find(group, scalar(key));
		if (!row) {
			rc = wrong(r, key->start_mark);
			config_say(r->error, "unknown key %.*s in %s", (int)scalar(key).len,
				scalar(key).p, group->name);
			config_unknown(r->error, scalar(key), group);
			return rc;
		}
		rc = row_load(r, row, entry, yaml_document_get_node(&r->doc, p->value));
	}
	return rc;
}

static int list_load(struct reader *r, const struct config_group *group, const yaml_node_t *node)
{
	int rc = want(r, node, YAML_SEQUENCE_NODE, group->name);

	if (rc < 0)
		return rc;
	config_clear(r->cfg, group->name);
	for (const yaml_node_item_t *i = node->data.sequence.items.start;
		rc == 0 && i < node->data.sequence.items.top; i++) {
		const yaml_node_t *item = yaml_document_get_node(&r->doc, *i);
		void *entry;

		wrong(r, item->start_mark);
		entry = config_add(r->cfg, group, r->error);
		rc = entry ? group_load(r, group, entry, item) : -EINVAL;
	}
	return rc;
}

static int root_load(struct reader *r)
{
	const yaml_node_t *root = yaml_document_get_root_node(&r->doc);
	int rc;

	if (!root || is_null(root)) /* an empty file says nothing, which is allowed */
		return 0;
	rc = want(r, root, YAML_MAPPING_NODE, "document");
	if (rc < 0)
		return rc;
	for (const yaml_node_pair_t *p = root->data.mapping.pairs.start;
		rc == 0 && p < root->data.mapping.pairs.top; p++) {
		const yaml_node_t *key = yaml_document_get_node(&r->doc, p->key);
		const yaml_node_t *value = yaml_document_get_node(&r->doc, p->value);
		const struct config_group *group;

		rc = key_check(r, root, p, "document");
		if (rc < 0)
			return rc;
		group = config_group_find(scalar(key));
		if (!group) {
			rc = wrong(r, key->start_mark);
			config_say(
				r->error, "unknown key %.*s", (int)scalar(key).len, scalar(key).p);
			config_unknown(r->error, scalar(key), NULL);
		} else if (!is_null(value)) {
			rc = group->most
				     ? list_load(r, group, value)
				     : group_load(r, group, config_entry(r->cfg, group, 0), value);
		}
	}
	return rc;
}

/* syntax puts what libyaml found wrong into error. */
static int syntax(struct reader *r, const yaml_parser_t *parser)
{
	yaml_mark_t mark = parser->problem_mark;
	int rc = parser->error == YAML_MEMORY_ERROR ? -ENOMEM : -EINVAL;

	if (parser->error == YAML_READER_ERROR) { /* has an offset alone */
		mark.line = parser->mark.line;
		mark.column = parser->mark.column;
	}
	wrong(r, mark);
	config_say(r->error, "no YAML: %s", parser->problem ? parser->problem : "no memory");
	if (parser->context)
		config_say(r->error, " %s of line %zu", parser->context,
			parser->context_mark.line + 1);
	return rc;
}

static int text_load(struct reader *r, const char *text, size_t len)
{
	yaml_parser_t parser;
	yaml_document_t second;
	int rc;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	if (!yaml_parser_load(&parser, &r->doc)) {
		rc = syntax(r, &parser);
		goto delete_parser;
	}
	rc = root_load(r);
	if (rc == 0 && yaml_document_get_root_node(&r->doc)) { /* what comes behind it? */
		if (!yaml_parser_load(&parser, &second)) {
			rc = syntax(r, &parser);
		} else {
			if (yaml_document_get_root_node(&second)) {
				rc = wrong(r, second.start_mark);
				config_say(r->error, "a second document: expected one");
			}
			yaml_document_delete(&second);
		}
	}
	yaml_document_delete(&r->doc);
delete_parser:
	yaml_parser_delete(&parser);
	return rc;
}

struct expander {
	struct reader *r;
	char *out;
	size_t len;
	const char *line; /* start of the line, to name the column */
	size_t line_no;
};

static int expand_wrong(const struct expander *e, const char *at)
{
	return wrong(e->r, (yaml_mark_t){.line = e->line_no, .column = (size_t)(at - e->line)});
}

static int put(struct expander *e, const char *text, size_t len)
{
	if (e->len + len > FILE_MAX) {
		expand_wrong(e, e->line);
		config_say(
			e->r->error, "longer than %d bytes when variables are replaced", FILE_MAX);
		return -EFBIG;
	}
	memcpy(e->out + e->len, text, len);
	e->len += len;
	return 0;
}

/* variable replaces ${NAME} or ${NAME:-default} at p and moves p behind it. */
static int variable(struct expander *e, const char **p, const char *end)
{
	const char *name = *p + 2, *close = memchr(name, '}', (size_t)(end - name));
	const char *value, *dflt = NULL;
	size_t len, line = (size_t)(end - name);
	char key[128];

	if (memchr(name, '\n', line))
		line = (size_t)((const char *)memchr(name, '\n', line) - name);
	if (!close || (size_t)(close - name) > line) {
		expand_wrong(e, *p);
		config_say(e->r->error,
			"${ without }: expected ${NAME} or ${NAME:-default}; a dollar is $$");
		return -EINVAL;
	}
	len = 0;
	while (len < sizeof(key) - 1 && name + len < close &&
		(name[len] == '_' || (name[len] | 32) - 'a' + 0u < 26u ||
			(len && name[len] - '0' + 0u < 10u)))
		len++;
	if (name[len] == ':' && name[len + 1] == '-')
		dflt = name + len + 2;
	if (len == 0 || (!dflt && name + len != close)) {
		expand_wrong(e, *p);
		config_say(e->r->error, "%.*s: expected ${NAME} or ${NAME:-default}",
			(int)(close + 1 - *p > 64 ? 64 : close + 1 - *p), *p);
		return -EINVAL;
	}
	memcpy(key, name, len);
	key[len] = '\0';
	value = getenv(key);
	if ((!value || !*value) && dflt) {
		*p = close + 1;
		return put(e, dflt, (size_t)(close - dflt));
	}
	if (!value || strpbrk(value, "\r\n")) {
		expand_wrong(e, *p);
		config_say(e->r->error, "environment variable %s %s", key,
			value ? "holds more than one line"
			      : "is not set: set it, or write ${NAME:-default}");
		return -EINVAL;
	}
	*p = close + 1;
	return put(e, value, strlen(value));
}

/* expand replaces variables; lines that are a comment stay as they are. */
static int expand(struct expander *e, const char *text, size_t len)
{
	const char *end = text + len, *p = text;
	bool comment = false, blank = true; /* blank: only spaces since the line began */
	int rc = 0;

	for (e->line = p; rc == 0 && p < end;) {
		if (blank && *p == '#')
			comment = true;
		blank = *p == '\n' || (blank && *p == ' ');
		if (*p == '\n') {
			comment = false;
			e->line = p + 1;
			e->line_no++;
		}
		if (comment || *p != '$' || end - p < 2 || (p[1] != '{' && p[1] != '$'))
			rc = put(e, p++, 1);
		else if (p[1] == '{')
			rc = variable(e, &p, end);
		else
			rc = put(e, (p += 2) - 1, 1);
	}
	return rc;
}

int config_load_text(struct config *cfg, const char *file, const char *text, size_t len,
	char error[CONFIG_ERROR])
{
	struct reader r = {.cfg = cfg, .file = file, .error = error};
	struct expander e = {.r = &r, .out = malloc(FILE_MAX)};
	int rc;

	error[0] = '\0';
	if (!e.out) {
		config_say(error, "%s: no memory", file);
		return -ENOMEM;
	}
	rc = expand(&e, text, len);
	if (rc == 0)
		rc = text_load(&r, e.out, e.len);
	free(e.out);
	if (rc == 0)
		error[0] = '\0';
	return rc;
}

int config_load(struct config *cfg, const char *path, char error[CONFIG_ERROR])
{
	FILE *in = fopen(path, "re");
	char *text = NULL;
	size_t len = 0;
	int rc = 0;

	error[0] = '\0';
	if (!in) {
		rc = -errno;
		config_say(error, "%s: %s: expected a readable YAML file", path, strerror(-rc));
		return rc;
	}
	text = malloc(FILE_MAX + 1);
	if (text)
		len = fread(text, 1, FILE_MAX + 1, in);
	if (!text || ferror(in) || len > FILE_MAX) {
		rc = !text ? -ENOMEM : ferror(in) ? -EIO : -EFBIG;
		config_say(error, "%s: %s: expected a readable YAML file of at most %d bytes", path,
			strerror(-rc), FILE_MAX);
	}
	fclose(in);
	if (rc == 0)
		rc = config_load_text(cfg, path, text, len, error);
	free(text);
	return rc;
}
