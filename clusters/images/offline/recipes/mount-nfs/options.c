#define _GNU_SOURCE
#include "options.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"usage: mount.nfs SERVER:/EXPORT DIRECTORY [-rvfsnw] [-t TYPE] [-o OPTIONS]\n";

static int complain(int code, const char *format, ...)
{
	va_list arguments;

	fputs("mount.nfs: ", stderr);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	return code;
}

/* Numbers of nfs(5) and the range that means something here. */
struct number {
	const char *name;
	size_t offset;
	int least;
	int most;
};

#define NUMBER(name_, field, least_, most_) \
	{ .name = (name_), .offset = offsetof(struct options, field), .least = (least_), .most = (most_) }

static const struct number numbers[] = {
	NUMBER("timeo", timeo, 1, 36000),
	NUMBER("retrans", retrans, 0, 1000),
	NUMBER("port", port, 0, 65535),
	NUMBER("mountport", mount_port, 0, 65535),
	NUMBER("nconnect", connections, 1, MAX_CONNECTIONS),
	NUMBER("rsize", rsize, 1, INT_MAX),
	NUMBER("wsize", wsize, 1, INT_MAX),
	NUMBER("actimeo", attribute_seconds, 0, 86400),
};

/* Flags of the VFS that libfuse hands on to mount(2). */
static const char *const vfs_flags[] = {
	"noexec", "exec", "nosuid", "suid", "nodev", "dev", "noatime", "atime",
	"nodiratime", "dirsync", "async",
};

/* Options of nfs(5) and mount(8) that a user-space NFSv3 client over TCP
 * takes without doing anything about them. The record keeps what was asked. */
static const char *const tolerated[] = {
	"ac", "acl", "acdirmax", "acdirmin", "acregmax", "acregmin", "addr", "auto",
	"bg", "clientaddr", "comment", "cto", "defaults", "diratime", "fg", "fsc",
	"group", "hard", "intr", "lazytime", "local_lock", "lock", "lookupcache",
	"max_connect", "migration", "mountaddr", "mounthost", "mountproto",
	"mountvers", "namlen", "noac", "noacl", "noauto", "nocto", "nofail", "nofsc",
	"nointr", "nolazytime", "nolock", "nomand", "nomigration", "nordirplus",
	"norelatime", "noresvport", "nosharecache", "nosoftreval", "nostrictatime",
	"nouser", "nousers", "owner", "posix", "proto", "rdirplus", "relatime",
	"resvport", "retry", "rw", "sharecache", "softreval", "strictatime", "tcp",
	"trunkdiscovery", "notrunkdiscovery", "udp", "user", "users", "write", "_netdev",
};

static bool listed(const char *name, const char *const *list, size_t length)
{
	for (size_t i = 0; i < length; i++)
		if (!strcmp(name, list[i]))
			return true;
	return false;
}

#define LISTED(name, list) listed((name), (list), sizeof(list) / sizeof((list)[0]))

static int parse_number(struct options *options, const struct number *number, const char *value)
{
	char *end = NULL;
	long parsed;

	errno = 0;
	parsed = value ? strtol(value, &end, 10) : 0;
	if (!value || end == value || *end || errno || parsed < number->least)
		return complain(MOUNT_FAILED, "option %s wants a number from %d on, not '%s'",
				number->name, number->least, value ? value : "");
	if (parsed > number->most)
		parsed = number->most;
	*(int *)((char *)options + number->offset) = (int)parsed;
	return MOUNT_OK;
}

static int parse_version(struct options *options, const char *name, const char *value)
{
	size_t used = strlen(options->version);
	int length;

	if (!value || !*value)
		return complain(MOUNT_FAILED, "option %s wants a version", name);
	if (!strcmp(name, "minorversion"))
		length = snprintf(options->version, sizeof options->version, "%.*s.%s",
				  (int)(used ? strcspn(options->version, ".") : 1),
				  used ? options->version : "4", value);
	else
		length = snprintf(options->version, sizeof options->version, "%s", value);
	if (length < 0 || (size_t)length >= sizeof options->version)
		return complain(MOUNT_FAILED, "option %s=%s is no NFS version", name, value);
	return MOUNT_OK;
}

static int add_vfs_flag(struct options *options, const char *name)
{
	size_t used = strlen(options->vfs);
	int length = snprintf(options->vfs + used, sizeof options->vfs - used, ",%s", name);

	if (length < 0 || (size_t)length >= sizeof options->vfs - used)
		return complain(MOUNT_FAILED, "too many options");
	return MOUNT_OK;
}

static int parse_one(struct options *options, char *name)
{
	char *value = strchr(name, '=');

	if (value)
		*value++ = '\0';
	for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
		if (!strcmp(name, numbers[i].name))
			return parse_number(options, &numbers[i], value);
	if (!strcmp(name, "vers") || !strcmp(name, "nfsvers") || !strcmp(name, "minorversion"))
		return parse_version(options, name, value);
	if (!value && name[0] == 'v' && name[1] >= '2' && name[1] <= '4')
		return parse_version(options, "v", name + 1);
	if (!strcmp(name, "ro") || !strcmp(name, "rw")) {
		options->read_only = name[1] == 'o';
		return MOUNT_OK;
	}
	if (!strcmp(name, "soft") || !strcmp(name, "softerr") || !strcmp(name, "hard")) {
		options->soft = name[0] == 's';
		options->soft_errno = strcmp(name, "softerr") ? EIO : ETIMEDOUT;
		return MOUNT_OK;
	}
	if (!strcmp(name, "sync")) {
		options->sync = true;
		return add_vfs_flag(options, name);
	}
	if (!strcmp(name, "noac")) {
		options->attribute_seconds = 0;
		return MOUNT_OK;
	}
	if (!strcmp(name, "sloppy")) {
		options->sloppy = true;
		return MOUNT_OK;
	}
	if (!strcmp(name, "remount"))
		return complain(MOUNT_FAILED, "remount is not supported; unmount and mount again");
	if (!strcmp(name, "sec") && value && strcmp(value, "sys") && strcmp(value, "none"))
		return complain(MOUNT_FAILED, "sec=%s is not supported, only sec=sys", value);
	if (!strcmp(name, "sec") || !*name || !strncmp(name, "x-", 2))
		return MOUNT_OK;
	if (LISTED(name, vfs_flags))
		return add_vfs_flag(options, name);
	if (LISTED(name, tolerated) || options->sloppy)
		return MOUNT_OK;
	return complain(MOUNT_FAILED, "an incorrect mount option was specified: '%s'", name);
}

static int parse_list(struct options *options, const char *list)
{
	char *copy = strdup(list);
	char *joined = NULL;
	char *rest = copy;
	char *name;
	int code = MOUNT_OK;

	if (!copy || asprintf(&joined, "%s%s%s", options->asked, *options->asked ? "," : "", list) < 0) {
		free(copy);
		return complain(MOUNT_SYSTEM, "out of memory");
	}
	free(options->asked);
	options->asked = joined;
	while (code == MOUNT_OK && (name = strsep(&rest, ",")))
		code = parse_one(options, name);
	free(copy);
	return code;
}

/* SERVER:/EXPORT, where an IPv6 address stands in brackets. */
static int parse_source(struct options *options)
{
	const char *source = options->source;
	const char *colon = source[0] == '[' ? strstr(source, "]:/") : strstr(source, ":/");

	if (!colon || colon == source)
		return complain(MOUNT_USAGE, "'%s' is not of the form SERVER:/EXPORT\n%s", source, usage);
	if (source[0] == '[') {
		options->server = strndup(source + 1, (size_t)(colon - source) - 1);
		options->export = colon + 2;
	} else {
		options->server = strndup(source, (size_t)(colon - source));
		options->export = colon + 1;
	}
	return options->server ? MOUNT_OK : complain(MOUNT_SYSTEM, "out of memory");
}

/* A whole number of pages, neither more than FUSE carries nor none at all. */
static int transfer_size(int asked)
{
	enum { PAGE = 4096 };

	if (asked > MAX_TRANSFER)
		return MAX_TRANSFER;
	return asked < PAGE ? PAGE : asked / PAGE * PAGE;
}

/* One word of short flags; `next` is the word after it, or NULL.
 * Says through `taken` whether that word was an argument. */
static int parse_flags(struct options *options, const char *flags, const char *next, bool *taken)
{
	for (const char *flag = flags; *flag; flag++) {
		switch (*flag) {
		case 'r':
			options->read_only = true;
			break;
		case 'w':
			options->read_only = false;
			break;
		case 'v':
			options->verbose = true;
			break;
		case 's':
			options->sloppy = true;
			break;
		case 'f':
			options->fake = true;
			break;
		case 'n':
			break;
		case 'o':
		case 't':
		case 'N':
			if (flag[1] || !next)
				return complain(MOUNT_USAGE, "-%c wants an argument\n%s", *flag, usage);
			*taken = true;
			if (*flag == 't' && !strcmp(next, "nfs4") && !*options->version)
				return parse_version(options, "t", "4");
			return *flag == 'o' ? parse_list(options, next) : MOUNT_OK;
		default:
			return complain(MOUNT_USAGE, "unknown flag -%c\n%s", *flag, usage);
		}
	}
	return MOUNT_OK;
}

int options_parse(struct options *options, int argc, char **argv)
{
	const char *target = NULL;
	const char *name = strrchr(argv[0], '/');
	int code = MOUNT_OK;

	*options = (struct options){
		.asked = strdup(""),
		.soft_errno = EIO,
		.timeo = 600,
		.retrans = 2,
		.connections = 8,
		.rsize = MAX_TRANSFER,
		.wsize = MAX_TRANSFER,
		.attribute_seconds = 1,
	};
	if (!options->asked)
		return complain(MOUNT_SYSTEM, "out of memory");
	if (!strcmp(name ? name + 1 : argv[0], "mount.nfs4"))
		code = parse_version(options, "t", "4");

	/* -s counts wherever it stands: mount(8) puts it after the others. */
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "-s"))
			options->sloppy = true;
	for (int i = 1; i < argc && code == MOUNT_OK; i++) {
		bool taken = false;

		if (argv[i][0] == '-' && argv[i][1])
			code = parse_flags(options, argv[i] + 1, i + 1 < argc ? argv[i + 1] : NULL, &taken);
		else if (!options->source)
			options->source = argv[i];
		else if (!target)
			target = argv[i];
		else
			code = complain(MOUNT_USAGE, "'%s' is one word too many\n%s", argv[i], usage);
		i += taken;
	}
	if (code != MOUNT_OK)
		return code;
	if (!options->source || !target) {
		fputs(usage, stderr);
		return MOUNT_USAGE;
	}
	code = parse_source(options);
	if (code != MOUNT_OK)
		return code;
	options->target = realpath(target, NULL);
	if (!options->target)
		return complain(MOUNT_FAILED, "mount point %s: %s", target, strerror(errno));
	options->rsize = transfer_size(options->rsize);
	options->wsize = transfer_size(options->wsize);
	return MOUNT_OK;
}
