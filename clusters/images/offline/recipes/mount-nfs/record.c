#define _GNU_SOURCE
#include "record.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char folder[] = "/run/mount.nfs";

enum { DEVICE_ROOM = 32 };

/* mountinfo writes space, tab, newline and backslash as \ooo. */
static void unescape(char *text)
{
	char *to = text;

	for (const char *from = text; *from; to++) {
		if (from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' && from[2] <= '7' &&
		    from[3] >= '0' && from[3] <= '7') {
			*to = (char)((from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0'));
			from += 4;
		} else {
			*to = *from++;
		}
	}
	*to = '\0';
}

/* "MAJOR:MINOR" of the topmost mount on `target`. */
static bool find_device(const char *target, char device[DEVICE_ROOM])
{
	FILE *mounts = fopen("/proc/self/mountinfo", "re");
	char *line = NULL;
	size_t room = 0;
	bool found = false;

	while (mounts && getline(&line, &room, mounts) >= 0) {
		char *fields[5];
		char *rest = line;
		int count = 0;

		while (count < 5 && (fields[count] = strsep(&rest, " ")))
			count++;
		if (count < 5)
			continue;
		unescape(fields[4]);
		if (!strcmp(fields[4], target)) {
			snprintf(device, DEVICE_ROOM, "%s", fields[2]);
			found = true;
		}
	}
	free(line);
	if (mounts)
		fclose(mounts);
	return found;
}

static FILE *open_read_ahead(const char *device, const char *mode)
{
	char path[64 + DEVICE_ROOM];

	snprintf(path, sizeof path, "/sys/class/bdi/%s/read_ahead_kb", device);
	return fopen(path, mode);
}

void record_raise_read_ahead(const struct options *options, int kib)
{
	char device[DEVICE_ROOM];
	FILE *file = find_device(options->target, device) ? open_read_ahead(device, "we") : NULL;

	/* A /sys that is read-only costs speed only; the record tells the value in force. */
	if (file) {
		fprintf(file, "%d", kib);
		fclose(file);
	}
}

static int read_ahead(const char *device)
{
	FILE *file = open_read_ahead(device, "re");
	int kib = -1;

	if (!file)
		return -1;
	if (fscanf(file, "%d", &kib) != 1)
		kib = -1;
	fclose(file);
	return kib;
}

static void write_text(FILE *file, const char *name, const char *text)
{
	fprintf(file, "  \"%s\": \"", name);
	for (const unsigned char *c = (const unsigned char *)text; *c; c++) {
		if (*c == '"' || *c == '\\')
			fprintf(file, "\\%c", *c);
		else if (*c < 0x20)
			fprintf(file, "\\u%04x", *c);
		else
			fputc(*c, file);
	}
	fputs("\",\n", file);
}

/* A daemon that was killed could not remove its own record. */
static void remove_stale(void)
{
	DIR *directory = opendir(folder);
	struct dirent *entry;

	while (directory && (entry = readdir(directory))) {
		char *end;
		long pid = strtol(entry->d_name, &end, 10);

		if (end != entry->d_name && pid > 0 && !strcmp(end, ".json") && kill((pid_t)pid, 0) && errno == ESRCH)
			unlinkat(dirfd(directory), entry->d_name, 0);
	}
	if (directory)
		closedir(directory);
}

static void record_path(char path[PATH_MAX], pid_t daemon, const char *ending)
{
	snprintf(path, PATH_MAX, "%s/%ld.%s", folder, (long)daemon, ending);
}

bool record_write(const struct options *options, pid_t daemon)
{
	char device[DEVICE_ROOM] = "";
	char path[PATH_MAX], draft[PATH_MAX];
	FILE *file;

	find_device(options->target, device);
	mkdir(folder, 0755);
	remove_stale();
	record_path(path, daemon, "json");
	record_path(draft, daemon, "draft");
	file = fopen(draft, "we");
	if (!file)
		goto failed;
	fputs("{\n", file);
	write_text(file, "target", options->target);
	write_text(file, "device", device);
	write_text(file, "source", options->source);
	write_text(file, "server", options->server);
	write_text(file, "export", options->export);
	write_text(file, "asked_options", options->asked);
	write_text(file, "asked_version", options->version);
	write_text(file, "spoken_version", "3");
	write_text(file, "transport", "tcp");
	write_text(file, "client", "user-space (libnfs, FUSE)");
	write_text(file, "recovery", options->soft ? "soft" : "hard");
	fprintf(file, "  \"read_only\": %s,\n", options->read_only ? "true" : "false");
	fprintf(file, "  \"connections\": %d,\n", options->connections);
	fprintf(file, "  \"rsize\": %d,\n", options->rsize);
	fprintf(file, "  \"wsize\": %d,\n", options->wsize);
	fprintf(file, "  \"read_ahead_kb\": %d,\n", *device ? read_ahead(device) : -1);
	fprintf(file, "  \"pid\": %ld\n}\n", (long)daemon);
	if (fclose(file) || rename(draft, path))
		goto failed;
	return true;
failed:
	fprintf(stderr, "mount.nfs: no record in %s: %s\n", folder, strerror(errno));
	unlink(draft);
	return false;
}

void record_remove(pid_t daemon)
{
	char path[PATH_MAX];

	record_path(path, daemon, "json");
	unlink(path);
}
