package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

const bundle = `{
	"ociVersion": "1.1.0",
	"hostname": "a <b> & c",
	"linux": {"resources": {"memory": {"limit": 9223372036854775807}}},
	"process": {
		"args": ["sh"],
		"oomScoreAdj": -998,
		"rlimits": [{"type": "RLIMIT_NOFILE", "hard": 1048576, "soft": 1048576}],
		"capabilities": {
			"bounding": ["CAP_CHOWN", "CAP_SYS_RESOURCE"],
			"effective": ["CAP_SYS_RESOURCE"],
			"inheritable": ["CAP_SYS_RESOURCE", "CAP_KILL"],
			"permitted": ["CAP_CHOWN"],
			"ambient": null
		}
	}
}`

func TestParse(t *testing.T) {
	cases := map[string]call{
		"--version": {bundle: "."},
		"--root /r --log=/l create --bundle /b --pid-file /p id":    {command: "create", bundle: "/b"},
		"--root create --log exec run -b /b id":                     {command: "run", bundle: "/b"},
		"create --bundle=/b id":                                     {command: "create", bundle: "/b"},
		"run id":                                                    {command: "run", bundle: "."},
		"--systemd-cgroup exec --process /p --detach id":            {command: "exec", bundle: ".", process: "/p"},
		"exec -p=/p id":                                             {command: "exec", bundle: ".", process: "/p"},
		"exec --env A=--process -t id sh --process /not-ours":       {command: "exec", bundle: "."},
		"exec --cwd --process id -p /not-ours":                      {command: "exec", bundle: "."},
		"kill --all id 9":                                           {command: "kill", bundle: "."},
		"--log-format json state id":                                {command: "state", bundle: "."},
		"create --console-socket /s --no-pivot --bundle /b name-of": {command: "create", bundle: "/b"},
	}
	for line, want := range cases {
		if got := parse(strings.Fields(line)); got != want {
			t.Errorf("parse(%q) = %+v, want %+v", line, got, want)
		}
	}
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	return path
}

func read(t *testing.T, path string) map[string]any {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var found map[string]any
	if err := json.Unmarshal(raw, &found); err != nil {
		t.Fatal(err)
	}
	return found
}

func TestBundleLosesWhatTheHostForbidsAndNothingElse(t *testing.T) {
	folder := t.TempDir()
	path := write(t, filepath.Join(folder, "config.json"), bundle)
	if err := prepare(call{command: "create", bundle: folder}); err != nil {
		t.Fatal(err)
	}
	found := read(t, path)
	process := found["process"].(map[string]any)
	want := map[string]any{
		"bounding":    []any{"CAP_CHOWN"},
		"effective":   []any{},
		"inheritable": []any{"CAP_KILL"},
		"permitted":   []any{"CAP_CHOWN"},
		"ambient":     nil,
	}
	if got := process["capabilities"]; !reflect.DeepEqual(got, any(want)) {
		t.Errorf("capabilities = %v, want %v", got, want)
	}
	if process["oomScoreAdj"] != float64(0) {
		t.Errorf("oomScoreAdj = %v, want 0", process["oomScoreAdj"])
	}
	if _, ok := process["rlimits"]; ok {
		t.Error("rlimits are still there")
	}
	if !reflect.DeepEqual(process["args"], []any{"sh"}) || found["hostname"] != "a <b> & c" {
		t.Errorf("something else changed: %v", found)
	}
	raw, _ := os.ReadFile(path)
	if !strings.Contains(string(raw), "9223372036854775807") {
		t.Error("a 64-bit number lost its last digits")
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o640 {
		t.Errorf("mode = %o, want 640", info.Mode().Perm())
	}
	if left, _ := os.ReadDir(folder); len(left) != 1 {
		t.Errorf("drafts were left behind: %v", left)
	}
}

func TestPositiveScoreStays(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "process"), `{"oomScoreAdj": 999}`)
	if err := prepare(call{command: "exec", process: path}); err != nil {
		t.Fatal(err)
	}
	if got := read(t, path)["oomScoreAdj"]; got != float64(999) {
		t.Errorf("oomScoreAdj = %v, want 999", got)
	}
}

func TestExecFileIsEdited(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "process"),
		`{"capabilities": {"bounding": ["CAP_SYS_RESOURCE"]}, "oomScoreAdj": -1, "rlimits": []}`)
	if err := prepare(call{command: "exec", process: path}); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"capabilities": map[string]any{"bounding": []any{}}, "oomScoreAdj": float64(0)}
	if got := read(t, path); !reflect.DeepEqual(got, want) {
		t.Errorf("process = %v, want %v", got, want)
	}
}

func TestOtherCommandsTouchNothing(t *testing.T) {
	for _, found := range []call{
		{command: "delete", bundle: "/does/not/exist"},
		{command: "exec", bundle: "/does/not/exist"},
		{},
	} {
		if err := prepare(found); err != nil {
			t.Errorf("prepare(%+v) = %v", found, err)
		}
	}
}

func TestBundleThatCannotBeUsedIsAnError(t *testing.T) {
	for name, text := range map[string]string{
		"cut off":             bundle[:200],
		"trailing text":       bundle + "x",
		"empty":               "",
		"null":                "null",
		"no object":           "[]",
		"process is a list":   `{"process": []}`,
		"capabilities broken": `{"process": {"capabilities": {"bounding": "ALL"}}}`,
		"score is a text":     `{"process": {"oomScoreAdj": "low"}}`,
	} {
		folder := t.TempDir()
		path := write(t, filepath.Join(folder, "config.json"), text)
		if err := prepare(call{command: "run", bundle: folder}); err == nil {
			t.Errorf("%s: no error", name)
		}
		if raw, _ := os.ReadFile(path); string(raw) != text {
			t.Errorf("%s: the file was changed", name)
		}
	}
	if err := prepare(call{command: "create", bundle: t.TempDir()}); err == nil {
		t.Error("missing config.json: no error")
	}
}

func TestRuncIsNeverTheWrapperItself(t *testing.T) {
	folder := t.TempDir()
	self := write(t, filepath.Join(folder, "wrapper"), "")
	link := filepath.Join(folder, "runc-link")
	if err := os.Symlink(self, link); err != nil {
		t.Fatal(err)
	}
	real := write(t, filepath.Join(folder, "runc"), "")
	absent := filepath.Join(folder, "absent")

	if got, err := findRunc(self, "", []string{absent, link, real}); err != nil || got != real {
		t.Errorf("findRunc = %q, %v, want %q", got, err, real)
	}
	if got, err := findRunc(self, real, []string{absent}); err != nil || got != real {
		t.Errorf("the chosen one: %q, %v", got, err)
	}
	for _, chosen := range []string{link, absent} {
		if got, err := findRunc(self, chosen, []string{real}); err == nil {
			t.Errorf("findRunc with %s chosen = %q, want an error", chosen, got)
		}
	}
}

// The test binary stands in for the wrapper: with this set it is main().
const asWrapper = "RUNTIME_WRAPPER_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asWrapper) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func wrapper(t *testing.T, runc string, arguments ...string) (string, int) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(self, arguments...)
	command.Env = append(os.Environ(), asWrapper+"=1", "HARNESS_RUNC="+runc)
	output, err := command.CombinedOutput()
	if err != nil && command.ProcessState == nil {
		t.Fatal(err)
	}
	return string(output), command.ProcessState.ExitCode()
}

func TestProgramBecomesRuncWithTheSameArguments(t *testing.T) {
	folder := t.TempDir()
	write(t, filepath.Join(folder, "config.json"), bundle)
	runc := write(t, filepath.Join(folder, "runc"), "#!/bin/sh\necho \"$@\"\nexit 7\n")
	if err := os.Chmod(runc, 0o755); err != nil {
		t.Fatal(err)
	}
	output, code := wrapper(t, runc, "--root", "/r", "create", "--bundle", folder, "id")
	if want := "--root /r create --bundle " + folder + " id\n"; output != want || code != 7 {
		t.Errorf("output %q, exit %d; want %q, 7", output, code, want)
	}
}

func TestProgramFailsLoudlyOnABadBundle(t *testing.T) {
	folder := t.TempDir()
	runc := write(t, filepath.Join(folder, "runc"), "#!/bin/sh\necho ran\n")
	if err := os.Chmod(runc, 0o755); err != nil {
		t.Fatal(err)
	}
	output, code := wrapper(t, runc, "run", "--bundle", folder, "id")
	if code != 1 || !strings.Contains(output, "config.json") || strings.Contains(output, "ran") {
		t.Errorf("output %q, exit %d; want the file's name and 1", output, code)
	}
}
