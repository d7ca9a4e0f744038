// An OCI runtime for hosts whose bounding set lacks CAP_SYS_RESOURCE.
//
// There runc refuses a privileged container ("unable to apply caps"), a
// negative OOM score and a raised resource limit. This program takes those
// three out of what the engine asks for, and then becomes runc.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

const missing = "CAP_SYS_RESOURCE"

// places are where distributions put runc.
var places = []string{"/usr/sbin/runc", "/usr/bin/runc", "/usr/local/sbin/runc"}

// call is what matters here of runc's command line.
type call struct {
	command string // create, run, exec, or something else
	bundle  string // folder of config.json, for create and run
	process string // file of --process, for exec; "" if the process is on the command line
}

// withValue names the flags whose value may be the next word.
// Source: the help texts of runc 1.1.5 (`runc --help`, `runc create --help`,
// `runc run --help`, `runc exec --help`); pidfd-socket came with 1.2.
var withValue = map[string][]string{
	"": {"log", "log-format", "root", "criu", "rootless"},
	"create": {
		"bundle", "b", "console-socket", "pidfd-socket", "pid-file", "preserve-fds",
	},
	"run": {
		"bundle", "b", "console-socket", "pidfd-socket", "pid-file", "preserve-fds",
	},
	"exec": {
		"console-socket", "pidfd-socket", "cwd", "env", "e", "user", "u",
		"additional-gids", "g", "process", "p", "pid-file", "process-label",
		"apparmor", "cap", "c", "preserve-fds", "cgroup",
	},
}

// parse reads runc's arguments (without the program's name).
func parse(arguments []string) call {
	found := call{bundle: "."}
	for i := 0; i < len(arguments); i++ {
		word := arguments[i]
		if word == "--" {
			break
		}
		if !strings.HasPrefix(word, "-") || word == "-" {
			if found.command != "" {
				break // the container's id: what follows is the container's own
			}
			found.command = word
			if withValue[word] == nil {
				break
			}
			continue
		}
		name, value, joined := strings.Cut(strings.TrimLeft(word, "-"), "=")
		if !joined && slices.Contains(withValue[found.command], name) {
			i++
			if i < len(arguments) {
				value = arguments[i]
			}
		}
		switch {
		case found.command == "":
		case name == "bundle" || name == "b":
			found.bundle = value
		case found.command == "exec" && (name == "process" || name == "p"):
			found.process = value
		}
	}
	return found
}

// object is a JSON object whose values are kept as they were written, so
// that what is not edited stays the same to the letter.
type object map[string]json.RawMessage

func decode(raw []byte, what string) (object, error) {
	var found object
	if err := json.Unmarshal(raw, &found); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	if found == nil {
		return nil, fmt.Errorf("%s: null where an object was expected", what)
	}
	return found, nil
}

func (o object) set(key string, value any) error {
	raw, err := json.Marshal(value)
	if err != nil {
		return err
	}
	o[key] = raw
	return nil
}

// given tells whether the key is there with a value other than null.
func (o object) given(key string) bool {
	raw, ok := o[key]
	return ok && !bytes.Equal(bytes.TrimSpace(raw), []byte("null"))
}

// editProcess changes an OCI process object to what this host allows.
func editProcess(process object) error {
	if process.given("capabilities") {
		sets, err := decode(process["capabilities"], "capabilities")
		if err != nil {
			return err
		}
		for name := range sets {
			var set []string
			if err := json.Unmarshal(sets[name], &set); err != nil {
				return fmt.Errorf("capabilities.%s: %w", name, err)
			}
			kept := slices.DeleteFunc(set, func(one string) bool { return one == missing })
			if err := sets.set(name, kept); err != nil {
				return err
			}
		}
		if err := process.set("capabilities", sets); err != nil {
			return err
		}
	}
	if process.given("oomScoreAdj") {
		var score int
		if err := json.Unmarshal(process["oomScoreAdj"], &score); err != nil {
			return fmt.Errorf("oomScoreAdj: %w", err)
		}
		if score < 0 {
			process["oomScoreAdj"] = json.RawMessage("0")
		}
	}
	delete(process, "rlimits")
	return nil
}

// editBundle changes the process of a config.json; one without is left alone.
func editBundle(config object) error {
	if !config.given("process") {
		return nil
	}
	process, err := decode(config["process"], "process")
	if err != nil {
		return err
	}
	if err := editProcess(process); err != nil {
		return err
	}
	return config.set("process", process)
}

// rewrite puts the edited object in the file's place, all or nothing.
func rewrite(path string, edit func(object) error) (err error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	content, err := decode(raw, path)
	if err != nil {
		return err
	}
	if err := edit(content); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	raw, err = json.Marshal(content)
	if err != nil {
		return err
	}
	draft, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			os.Remove(draft.Name())
		}
	}()
	_, err = draft.Write(raw)
	err = errors.Join(err, draft.Chmod(info.Mode().Perm()), draft.Close())
	if err != nil {
		return err
	}
	return os.Rename(draft.Name(), path)
}

// prepare edits the files that the call makes runc read.
func prepare(found call) error {
	switch {
	case found.command == "create" || found.command == "run":
		return rewrite(filepath.Join(found.bundle, "config.json"), editBundle)
	case found.command == "exec" && found.process != "":
		return rewrite(found.process, editProcess)
	}
	return nil
}

// findRunc gives the real runc, which is never this program itself.
func findRunc(self string, chosen string, places []string) (string, error) {
	own, err := os.Stat(self)
	if err != nil {
		return "", err
	}
	candidates := places
	if chosen != "" {
		candidates = []string{chosen}
	}
	for _, candidate := range candidates {
		info, err := os.Stat(candidate)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		if !info.IsDir() && !os.SameFile(own, info) {
			return candidate, nil
		}
	}
	return "", fmt.Errorf("no runc but this wrapper itself among %v", candidates)
}

func run() error {
	runc, err := findRunc("/proc/self/exe", os.Getenv("HARNESS_RUNC"), places)
	if err != nil {
		return err
	}
	if err := prepare(parse(os.Args[1:])); err != nil {
		return err
	}
	return syscall.Exec(runc, append([]string{runc}, os.Args[1:]...), os.Environ())
}

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "runtime-wrapper:", err)
		os.Exit(1)
	}
}
