package command

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/config"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

const stacks = "../composefile/testdata/"

// noEngine is where no engine is.
func noEngine(environ ...string) Env {
	return Env{
		Process: Process{Environ: environ},
		Outside: Outside{Connect: func(config.Config, Build) (Engine, error) { return nil, errors.New("no engine here") }},
	}
}

// stackFile writes a compose file of these services, in YAML's flow style.
func stackFile(t *testing.T, services ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "compose.yaml")
	require.NoError(t, os.WriteFile(file, []byte("services:\n  "+strings.Join(services, "\n  ")+"\n"), 0o600))
	return file
}

// drafted runs check --json over compose files.
func drafted(t *testing.T, environ []string, args ...string) (stackReport, int) {
	t.Helper()
	got := play(t, noEngine(environ...), append([]string{"check", "--json"}, args...)...)
	require.Empty(t, got.err)
	var d stackReport
	require.NoError(t, json.Unmarshal([]byte(got.out), &d))
	return d, got.code
}

func TestComposeTable(t *testing.T) {
	got := play(t, noEngine(), "check", "--compose", stacks+"typo/compose.yaml")
	require.Equal(t, result{1, `SERVICE   REPLICAS  CPUS  RESTART  MANAGED BY      HELD
as-list   1         0.5   no       enabled         -
misspelt  1         0.5   no       enabled         bad-labels
  problem  stoker.on-exti=never: not a label of Stoker; did you mean stoker.on-exit?
slip      1         0.5   no       enable-unclear  bad-labels
  problem  stocker.enable=true: not a label of Stoker; did you mean stoker.enable?

IGNORED  WHY
swarm    no-labels
  problem  stoker.enable=true: is in deploy.labels, which compose puts on no container; move it to labels

3 services managed, 1 ignored, 1 other service unlabelled; 3 problems: misspelt, slip, swarm
3 workers would be allocated 1.5 CPUs.
`, ""}, got)
}

// TestPlanned is one service each: the finding, and whether it is a problem. It is the same that check reports of a
// container, where both can find it.
func TestPlanned(t *testing.T) {
	const checked = ", healthcheck: {test: beat}"
	tests := map[string]struct {
		environ  []string
		service  string // in flow style
		why      string
		problems []string // what each holds
		advice   []string
	}{
		"all well":           {nil, "labels: {stoker.enable: true}, cpus: 1" + checked, "enabled", nil, nil},
		"bad value":          {nil, "labels: {stoker.enable: true, stoker.on-exit: sometimes}, cpus: 1" + checked, "enabled", []string{"stoker.on-exit=sometimes"}, nil},
		"clash":              {nil, "labels: {stoker.enable: true}, cpus: 1, cpu_quota: 50000" + checked, "enabled", []string{"the engine refuses"}, nil},
		"no quota":           {nil, "labels: {stoker.enable: true}" + checked, "enabled", nil, []string{"no CPU quota"}},
		"not wanted":         {[]string{"STOKER_REQUIRE_QUOTA=off"}, "labels: {stoker.enable: true}" + checked, "enabled", nil, nil},
		"share of nothing":   {nil, "labels: {stoker.enable: true, stoker.max-memory: 90%}, cpus: 1" + checked, "enabled", []string{"the container has none"}, nil},
		"share of a limit":   {nil, "labels: {stoker.enable: true, stoker.max-memory: 90%}, mem_limit: 1g, cpus: 1" + checked, "enabled", nil, nil},
		"out of reach":       {nil, "labels: {stoker.enable: true, stoker.max-memory: 2g}, deploy: {resources: {limits: {memory: 1g, cpus: '1'}}}" + checked, "enabled", nil, []string{"before Stoker restarts it"}},
		"bad schedule":       {nil, "labels: {stoker.enable: true, stoker.restart-at: 3 o'clock}, cpus: 1" + checked, "enabled", []string{"five fields"}, nil},
		"two schedules":      {nil, "labels: {stoker.enable: true, ofelia.job-run.fresh.command: docker restart me}, cpus: 1" + checked, "enabled", nil, []string{"stoker.restart-at waits"}},
		"image's check":      {nil, "labels: {stoker.enable: true}, cpus: 1", "enabled", nil, []string{"whether the image has one cannot be seen"}},
		"check off":          {nil, "labels: {stoker.enable: true}, cpus: 1, healthcheck: {disable: true}", "enabled", nil, []string{"no health check: "}},
		"doubles":            {nil, "labels: {stoker.enable: true}, cpus: 1, restart: always" + checked, "enabled", nil, []string{"restart: always doubles"}},
		"fights":             {[]string{"STOKER_ON_EXIT=never"}, "labels: {stoker.enable: true}, cpus: 1, restart: always" + checked, "enabled", nil, []string{"fights"}},
		"none made":          {nil, "labels: {stoker.enable: true}, cpus: 1, scale: 0" + checked, "enabled", nil, []string{"0 replicas"}},
		"in a profile":       {nil, "labels: {stoker.enable: true}, cpus: 1, profiles: [night]" + checked, "enabled", nil, []string{"--profile night"}},
		"by quota":           {[]string{"STOKER_SELECT=quota"}, "cpu_quota: 50000" + checked, "has-quota", nil, nil},
		"all":                {[]string{"STOKER_SELECT=all"}, "cpus: 1" + checked, "all", nil, nil},
		"misspelt policy":    {nil, "labels: {stoker.enable: true}, cpus: 1, restart: unless-stoped" + checked, "enabled", []string{"restart: unless-stoped: the engine refuses it; did you mean unless-stopped?"}, nil},
		"retries of always":  {nil, "labels: {stoker.enable: true}, cpus: 1, restart: 'always:3'" + checked, "enabled", []string{"restart: always:3: the engine takes a number of retries with on-failure alone"}, []string{"restart: always doubles"}},
		"retries":            {nil, "labels: {stoker.enable: true}, cpus: 1, restart: 'on-failure:3'" + checked, "enabled", nil, nil},
		"no number":          {nil, "labels: {stoker.enable: true}, cpus: 1, restart: 'on-failure:x'" + checked, "enabled", []string{"restart: on-failure:x: the number of retries is not a whole number"}, nil},
		"of deploy":          {nil, "labels: {stoker.enable: true}, cpus: 1, deploy: {restart_policy: {condition: sometimes}}" + checked, "enabled", []string{"restart: sometimes: the engine refuses it"}, nil},
		"tiny quota":         {nil, "labels: {stoker.enable: true}, cpus: 0.001" + checked, "enabled", []string{"cpus 0.001: the kernel takes no quota below 0.01: such a container is created and never starts"}, nil},
		"tiny pair":          {nil, "labels: {stoker.enable: true}, cpu_quota: 999" + checked, "enabled", []string{"cpu_quota 999: the kernel takes no quota below 1000"}, nil},
		"small pair":         {nil, "labels: {stoker.enable: true}, cpu_quota: 1000, cpu_period: 1000000" + checked, "enabled", nil, nil},
		"quota by label":     {nil, "labels: {stoker.enable: true, stoker.cpus: 0.5}" + checked, "enabled", nil, nil},
		"two quotas":         {nil, "labels: {stoker.enable: true, stoker.cpus: 0.5}, cpus: 1" + checked, "enabled", nil, []string{"cpus 1, and stoker.cpus sets 0.5: keep one of the two"}},
		"the same quota":     {nil, "labels: {stoker.enable: true, stoker.cpus: 0.5}, cpus: 0.5" + checked, "enabled", nil, nil},
		"tiny label":         {nil, "labels: {stoker.enable: true, stoker.cpus: 0.001}" + checked, "enabled", []string{"less than 0.01 CPUs"}, []string{"no CPU quota"}},
		"compat, exits":      {[]string{"STOKER_COMPAT=autoheal"}, "labels: {autoheal: true}, cpus: 1, restart: unless-stopped" + checked, "compat-autoheal", nil, nil},
		"idle without check": {nil, "labels: {stoker.enable: true, stoker.idle-after: 5m}, cpus: 1, healthcheck: {disable: true}", "enabled", nil, nil},
		"compat":             {[]string{"STOKER_COMPAT=autoheal"}, "labels: {autoheal: true}, cpus: 1" + checked, "compat-autoheal", nil, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d, code := drafted(t, tt.environ, "-f", stackFile(t, "a: {image: w, "+tt.service+"}"))
			require.Len(t, d.Services, 1)
			got := d.Services[0]
			require.Equal(t, tt.why, string(got.Why))
			require.Len(t, got.Problems, len(tt.problems), "%v", got.Problems)
			for n := range tt.problems {
				require.Contains(t, got.Problems[n], tt.problems[n])
			}
			require.Len(t, got.Advice, len(tt.advice), "%v", got.Advice)
			for n := range tt.advice {
				require.Contains(t, got.Advice[n], tt.advice[n])
			}
			require.Equal(t, len(tt.problems), d.Problems)
			require.Equal(t, len(tt.problems) > 0, code == 1)
		})
	}
}

// A source of work whose URL is in the environment of the Stoker in the file is known by its name, and its password is not shown.
func TestPlannedSources(t *testing.T) {
	const group = "labels: {stoker.enable: true, stoker.demand: tasks}, cpus: 1, healthcheck: {test: beat}"
	for name, tt := range map[string]struct {
		variable string
		problems int
	}{
		"in a variable": {"STOKER_DEMAND_TASKS: 'amqp://u:correct-horse@rabbit/?queue=q'", 0},
		"in a file":     {"STOKER_DEMAND_TASKS_FILE: /run/secrets/tasks", 0},
		"by two names":  {"STOKER_DEMAND_TASKS: 'redis://r/0?list=l', STOKER_NOTIFY_FILE: /run/secrets/notify", 0},
		"of another":    {"STOKER_DEMAND_OTHER: 'redis://r/0?list=l'", 1},
		"not a source":  {"STOKER_DEMAND_TASKS: 'ftp://u:correct-horse@r/'", 2}, // of the Stoker, and of the label
	} {
		t.Run(name, func(t *testing.T) {
			file := stackFile(t, "a: {image: w, "+group+"}", "stoker: {image: stoker, environment: {"+tt.variable+"}}")
			d, code := drafted(t, nil, "-f", file)
			require.Equal(t, tt.problems, d.Problems, "%v", d)
			require.Equal(t, tt.problems > 0, code == 1)
			got := play(t, Env{}, "check", "-f", file)
			require.NotContains(t, got.out+got.err, "correct-horse")
		})
	}
}

func TestPlannedLeftOut(t *testing.T) {
	for name, tt := range map[string]struct{ service, why string }{
		"disabled":    {"labels: {stoker.enable: no}", "disabled"},
		"other scope": {"labels: {stoker.enable: true, stoker.scope: red}", "other-scope"},
		"not enabled": {"labels: [stoker.on-exit=never]", "not-enabled"},
		"compat off":  {"labels: {autoheal: true}", "no-labels"},
	} {
		d, code := drafted(t, nil, "-f", stackFile(t, "a: {image: w, "+tt.service+"}", "b: {image: w}"))
		require.Equal(t, 0, code, name)
		require.Equal(t, 1, d.Unlabelled, name)
		require.Equal(t, tt.why, string(d.Ignored[0].Why), name)
	}
}

func TestServiceThatIsMeantToEnd(t *testing.T) {
	files := []string{"-f", stacks + "overlay/base.yaml"}
	d, _ := drafted(t, nil, files...)
	require.Equal(t, "setup", d.Services[1].Service)
	require.Contains(t, strings.Join(d.Services[1].Advice, "\n"), "stoker.on-exit=failure lets it end")
	d, _ = drafted(t, []string{"STOKER_ON_EXIT=failure"}, files...)
	require.NotContains(t, strings.Join(d.Services[1].Advice, "\n"), "lets it end")
}

func TestPlanOfAStack(t *testing.T) {
	files := []string{"check", "-f", stacks + "overlay/base.yaml", "-f", stacks + "overlay/prod.yaml"}
	require.Contains(t, play(t, noEngine(), files...).out, "\n4 workers would be allocated 4.75 CPUs.\n", "three times 1.5, and setup; tools is not asked for")
	require.Contains(t, play(t, noEngine(), append(files, "--profile", "debug")...).out, "\n5 workers would be allocated 5.25 CPUs.\n")

	env := noEngine()
	env.Connect = func(config.Config, Build) (Engine, error) { return hostOf(4), nil }
	require.Contains(t, play(t, env, files...).out, "\n4 workers would be allocated 4.75 CPUs of this host's 4.\nThat is 19% too much")
}

// hostOf is an engine that reports its CPUs and nothing else.
type hostOf int

func (h hostOf) Engine(context.Context) (worker.Engine, error) {
	return worker.Engine{CPUs: int(h)}, nil
}

func (hostOf) TryCalls(context.Context) []string { panic("not asked") }

func (hostOf) Lacking() string { panic("not asked") }

func (hostOf) Services(context.Context) []policy.Service { panic("not asked") }

func (hostOf) List(context.Context) ([]worker.Observation, error) { panic("not asked") }

func (hostOf) Do(context.Context, worker.Action) worker.Outcome { panic("not asked") }

// A quota that Stoker gives counts as one that the container has.
func TestPlanCountsTheQuotaThatStokerGives(t *testing.T) {
	const enabled, checked = "labels: {stoker.enable: true}", ", healthcheck: {test: beat}"
	const label = "a: {image: w, scale: 2, labels: {stoker.enable: true, stoker.cpus: 0.5}" + checked + "}"
	require.Contains(t, play(t, noEngine(), "check", "-f", stackFile(t, label)).out, "\n2 workers would be allocated 1 CPUs.\n")
	const other = "a: {image: w, cpus: 2, labels: {stoker.enable: true, stoker.cpus: 0.5}" + checked + "}"
	require.Contains(t, play(t, noEngine(), "check", "-f", stackFile(t, other)).out, "\n1 worker would be allocated 0.5 CPUs.\n")
	env := noEngine("STOKER_CPUS=0.25", "STOKER_REQUIRE_QUOTA=apply")
	require.Contains(t, play(t, env, "check", "-f", stackFile(t, "a: {image: w, "+enabled+checked+"}")).out, "\n1 worker would be allocated 0.25 CPUs.\n")
	require.Contains(t, play(t, env, "check", "-f", stackFile(t, "a: {image: w, cpus: 1, "+enabled+checked+"}")).out, "\n1 worker would be allocated 1 CPUs.\n")
}

func TestStokerInTheStack(t *testing.T) {
	const worker = "w: {image: w, cpus: 1, labels: {stoker.enable: true, stoker.scope: blue}, healthcheck: {test: beat}}"
	tests := map[string]struct {
		environ  []string
		stoker   string
		taken    bool
		settings []string
		problem  string
	}{
		"its scope":             {nil, "s: {image: stoker:dev, environment: {STOKER_SCOPE: blue, STOKER_NOTIFY: gotify://secret}}", true, []string{"STOKER_SCOPE=blue"}, ""},
		"known by its settings": {nil, "s: {build: ., environment: [STOKER_SCOPE=blue]}", true, []string{"STOKER_SCOPE=blue"}, ""},
		"files are elsewhere":   {nil, "s: {image: stoker, environment: {STOKER_SCOPE: blue, STOKER_NOTIFY_FILE: /run/secrets/x}}", true, []string{"STOKER_SCOPE=blue"}, ""},
		"none of its own":       {nil, "s: {image: a.b:5000/x/stoker:1}", false, []string{}, ""},
		"empty is none":         {[]string{"STOKER_SCOPE=blue"}, "s: {image: stoker, environment: {STOKER_SCOPE: ''}}", true, []string{}, ""},
		"overruled":             {[]string{"STOKER_SCOPE=red"}, "s: {image: stoker, environment: {STOKER_SCOPE: blue}}", false, []string{}, ""},
		"misspelt":              {nil, "s: {image: stoker, environment: {STOKER_SCOPPE: blue}}", false, []string{}, "STOKER_SCOPE"},
		"engine by ssh":         {nil, "s: {image: stoker, environment: {STOKER_SCOPE: blue, DOCKER_HOST: 'ssh://me@host'}}", false, []string{"STOKER_SCOPE=blue"}, "DOCKER_HOST: ssh is not supported"},
		"a slash short":         {nil, "s: {image: stoker, environment: {DOCKER_HOST: 'unix://var/run/docker.sock'}}", false, []string{}, "write unix:///var/run/docker.sock"},
		"TLS without files":     {nil, "s: {image: stoker, environment: {STOKER_SCOPE: blue, DOCKER_TLS_VERIFY: '1'}}", false, []string{"STOKER_SCOPE=blue"}, "DOCKER_CERT_PATH is not set"},
		"an old API":            {nil, "s: {image: stoker, environment: {STOKER_SCOPE: blue, DOCKER_API_VERSION: 1.4}}", false, []string{"STOKER_SCOPE=blue"}, "in YAML a version has to be in quotes"},
		"engine elsewhere":      {nil, "s: {image: stoker, environment: {STOKER_SCOPE: blue, DOCKER_HOST: 'tcp://proxy:2375'}}", true, []string{"STOKER_SCOPE=blue"}, ""},
		"engine of the command": {[]string{"DOCKER_HOST=tcp://nowhere:1"}, "s: {image: stoker, environment: {STOKER_SCOPE: blue, DOCKER_HOST: 'tcp://proxy:2375'}}", true, []string{"STOKER_SCOPE=blue"}, ""},
		"bad together":          {[]string{"STOKER_REQUIRE_QUOTA=warn"}, "s: {image: stoker, environment: {STOKER_REQUIRE_QUOTA: apply}}", false, []string{}, "STOKER_CPUS"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			d, code := drafted(t, tt.environ, "-f", stackFile(t, worker, tt.stoker))
			require.Len(t, d.Stokers, 1)
			require.Equal(t, tt.taken, len(d.Services) == 1)
			require.Equal(t, tt.settings, d.Stokers[0].Settings)
			require.Zero(t, d.Unlabelled)
			if tt.problem == "" {
				require.Equal(t, 0, code, "%v", d)
				return
			}
			require.Equal(t, 1, code)
			require.Contains(t, strings.Join(d.Stokers[0].Problems, "\n"), tt.problem)
		})
	}

	file := stackFile(t, worker, "a: {image: stoker, environment: {STOKER_SCOPE: blue}}", "b: {image: stoker, environment: {STOKER_SCOPE: red}}")
	got := play(t, noEngine(), "check", "-f", file)
	require.Contains(t, got.out, "a       - (it is one of several: give this command the variables of one)\n")
	require.Contains(t, got.out, "0 services managed, 1 ignored")
	require.Contains(t, play(t, noEngine("STOKER_SCOPE=blue"), "check", "-f", file).out, "1 service managed, 0 ignored")
	secret := play(t, noEngine(), "check", "-f", stackFile(t, worker, "s: {image: stoker, environment: {STOKER_NOTIFY: 'x secret', STOKER_TOKEN: secret}}"))
	require.NotContains(t, secret.out+secret.err, "secret")
}

func TestComposeUsage(t *testing.T) {
	got := play(t, noEngine(), "check", "-f", stacks+"bad/yaml.yaml")
	require.Equal(t, 2, got.code)
	require.Empty(t, got.out)
	require.Regexp(t, `^stoker: .*bad/yaml\.yaml: .*line 3.*\n$`, got.err)

	got = play(t, noEngine(), "check", "--profile", "night")
	require.Equal(t, result{2, "", "stoker: --profile is about compose files: name them with --compose\n"}, got)

	got = play(t, noEngine("STOKER_SELECT=none"), "check", "-f", stacks+"typo/compose.yaml")
	require.Equal(t, 2, got.code)
	require.Contains(t, got.err, "STOKER_SELECT")

	got = play(t, noEngine("TAG=1"), "check", "-f", stacks+"env/compose.yaml")
	require.Equal(t, 0, got.code)
	require.Equal(t, "stoker: The \"UNSET_HERE\" variable is not set. Defaulting to a blank string.\n", got.err)

	var errs strings.Builder
	code := Execute(t.Context(), Env{
		Process: Process{Args: []string{"check", "-f", stacks + "typo/compose.yaml"}},
		Console: Console{Stdout: full{}, Stderr: &errs},
		Outside: Outside{Connect: noEngine().Connect},
	})
	require.Equal(t, 1, code)
	require.Contains(t, errs.String(), "no space left")
}

// The files of this project are what people copy from.
func TestOwnComposeFiles(t *testing.T) {
	const folder = "../../../compose/"
	d, code := drafted(t, nil, "-f", folder+"compose.yaml", "-f", folder+"metrics.yaml")
	require.Equal(t, 0, code)
	require.Len(t, d.Services, 3)
	require.Equal(t, 1, d.Unlabelled, "prometheus")
	for _, s := range d.Services {
		require.Empty(t, s.Advice)
	}
	for _, beside := range []string{"beside.yaml", "proxy.yaml"} {
		d, code = drafted(t, nil, "-f", stacks+"typo/compose.yaml", "-f", folder+beside)
		require.Equal(t, 1, code)
		require.Len(t, d.Services, 3)
		require.Equal(t, "stoker", d.Stokers[0].Service)
	}
}
