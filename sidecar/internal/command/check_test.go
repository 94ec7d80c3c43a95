package command

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/config"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/sanitize"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// container is a worker without fault, changed by change.
func container(name string, change ...func(*worker.Snapshot)) worker.Snapshot {
	s := worker.Snapshot{
		Incarnation:  worker.Incarnation{ID: "id-" + name, StartedAt: noon},
		Key:          worker.Key(name),
		Labels:       map[string]string{"stoker.enable": "true"},
		ProcessState: worker.ProcessState{Status: worker.StatusRunning},
		HealthState:  worker.HealthState{HasHealthcheck: true, Health: worker.HealthHealthy},
		Resources:    worker.Resources{CPUs: 0.5},
	}
	for _, c := range change {
		c(&s)
	}
	return s
}

func labels(pairs ...string) func(*worker.Snapshot) {
	return func(s *worker.Snapshot) {
		s.Labels = map[string]string{}
		for n := 0; n < len(pairs); n += 2 {
			s.Labels[pairs[n]] = pairs[n+1]
		}
	}
}

func with(name, value string) func(*worker.Snapshot) {
	return func(s *worker.Snapshot) { s.Labels[name] = value }
}

func checkEnv(engine *fakeEngine, environ ...string) Env {
	return Env{
		Process: Process{Environ: environ, Self: func() string { return "id-stoker" }},
		Outside: Outside{Connect: func(config.Config, Build) (Engine, error) { return engine, nil }},
	}
}

// checked runs check --json over the containers.
func checked(t *testing.T, environ []string, containers ...worker.Snapshot) (report, int) {
	t.Helper()
	got := play(t, checkEnv(&fakeEngine{containers: containers}, environ...), "check", "--json")
	require.Empty(t, got.err)
	var all report
	require.NoError(t, json.Unmarshal([]byte(got.out), &all))
	return all, got.code
}

// A proxy that refuses what Stoker needs is a problem, though nothing is wrong with any container; a refused call that it can do without is reported.
func TestCheckBehindAProxy(t *testing.T) {
	engine := &fakeEngine{containers: []worker.Snapshot{container("w")}, denied: []string{"POST update: no quotas"}}
	got := play(t, checkEnv(engine), "check")
	require.Equal(t, 0, got.code)
	require.Contains(t, got.out, "POST update: no quotas")
	engine.denied, engine.lacking = []string{"POST start: no heals"}, "POST start: no heals"
	got = play(t, checkEnv(engine), "check")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.out, "POST start: no heals")
	require.Contains(t, got.out, "; 1 problem: the engine's proxy\n")
}

// TestFindings checks one container each: the finding, and whether it is a problem.
func TestFindings(t *testing.T) {
	tests := map[string]struct {
		environ  []string
		has      worker.Snapshot
		why      string
		held     string
		problems []string // what each holds
		advice   []string
	}{
		"all well":    {nil, container("w"), "enabled", "", nil, nil},
		"misspelt":    {nil, container("w", with("stoker.on-exti", "never")), "enabled", "bad-labels", []string{"stoker.on-exit"}, nil},
		"bad value":   {nil, container("w", with("stoker.on-exit", "sometimes")), "enabled", "bad-labels", []string{"stoker.on-exit=sometimes"}, nil},
		"two of them": {nil, container("w", with("stoker.max-attempts", "x"), with("stoker.on-exit", "y")), "enabled", "bad-labels", []string{"stoker.max-attempts", "stoker.on-exit"}, nil},
		"no health check": {nil, container("w", func(s *worker.Snapshot) { s.HasHealthcheck, s.Health = false, worker.HealthNone }),
			"enabled", "", nil, []string{"no health check"}},
		"no quota":           {nil, container("w", func(s *worker.Snapshot) { s.CPUs = 0 }), "enabled", "", nil, []string{"no CPU quota"}},
		"no quota is fine":   {[]string{"STOKER_REQUIRE_QUOTA=off"}, container("w", func(s *worker.Snapshot) { s.CPUs = 0 }), "enabled", "", nil, nil},
		"quota by label":     {nil, container("w", with("stoker.cpus", "0.5"), func(s *worker.Snapshot) { s.CPUs = 0 }), "enabled", "", nil, nil},
		"quota mode":         {[]string{"STOKER_SELECT=quota"}, container("w", labels()), "has-quota", "", nil, nil},
		"mode all":           {[]string{"STOKER_SELECT=all"}, container("w", labels()), "all", "", nil, nil},
		"compat":             {[]string{"STOKER_COMPAT=autoheal"}, container("w", labels("autoheal", "true")), "compat-autoheal", "", nil, nil},
		"restart doubles":    {nil, container("w", restarts("always", 0)), "enabled", "", nil, []string{"restart: always doubles"}},
		"restart fights":     {nil, container("w", with("stoker.on-exit", "never"), restarts("unless-stopped", 0)), "enabled", "", nil, []string{"restart: unless-stopped fights stoker.on-exit=never"}},
		"restart on failure": {nil, container("w", restarts("on-failure", 3)), "enabled", "", nil, nil},
		"rm":                 {nil, container("w", func(s *worker.Snapshot) { s.AutoRemove = true }), "enabled", "", nil, []string{"--rm"}},
		"swarm":              {nil, container("w", with("com.docker.swarm.task.id", "x")), "enabled", "swarm-task", nil, []string{"Swarm"}},
		"swarm, to kill":     {nil, container("w", with("com.docker.swarm.task.id", "x"), with("stoker.swarm", "kill")), "enabled", "", nil, []string{"Stoker kills it"}},
		"one-off":            {nil, container("w", with("com.docker.compose.oneoff", "True")), "enabled", "compose-one-off", nil, []string{"compose run"}},
		"share of nothing":   {nil, container("w", with("stoker.max-memory", "90%")), "enabled", "bad-labels", []string{"the container has none"}, nil},
		"out of reach": {nil, container("w", with("stoker.max-memory", "1GiB"), func(s *worker.Snapshot) { s.MemoryLimit = 1 << 30 }),
			"enabled", "", nil, []string{"stoker.max-memory is 1GiB and the memory limit 1GiB"}},
		"two schedules": {nil, container("w", with("ofelia.job-local.fresh.command", "docker restart w")), "enabled", "", nil, []string{"stoker.restart-at"}},
		"start failed":  {nil, container("w", func(s *worker.Snapshot) { s.StartError = "port is taken" }), "enabled", "", nil, []string{"port is taken"}},
		"unhealthy": {nil, container("w", func(s *worker.Snapshot) {
			s.Health = worker.HealthUnhealthy
			s.Probes = []worker.Probe{{At: noon}, {At: noon.Add(time.Minute), ExitCode: 1}, {At: noon.Add(2 * time.Minute), ExitCode: 7, Output: "no\nbeat"}}
		}), "enabled", "", nil, []string{"unhealthy since 2026-03-01T12:01:00Z or earlier: exit code 7, no beat"}},
		"unhealthy means nothing when stopped": {nil, container("w", func(s *worker.Snapshot) {
			s.Status, s.Health = worker.StatusExited, worker.HealthUnhealthy
		}), "enabled", "", nil, nil},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			all, code := checked(t, tt.environ, tt.has)
			require.Len(t, all.Workers, 1)
			f := all.Workers[0]
			require.Equal(t, tt.why, string(f.Why))
			require.Equal(t, tt.held, string(f.Held))
			require.Len(t, f.Advice, len(tt.advice), "%v", f.Advice)
			for n := range tt.advice {
				require.Contains(t, f.Advice[n], tt.advice[n])
			}
			require.Len(t, f.Problems, len(tt.problems), "%v", f.Problems)
			for n := range tt.problems {
				require.Contains(t, f.Problems[n], tt.problems[n])
			}
			require.Equal(t, len(tt.problems), all.Problems)
			require.Equal(t, len(tt.problems) > 0, code == 1)
		})
	}
}

func restarts(name string, most int) func(*worker.Snapshot) {
	return func(s *worker.Snapshot) { s.RestartPolicy = worker.RestartPolicy{Name: name, MaxRetries: most} }
}

func TestLeftOut(t *testing.T) {
	tests := map[string]struct {
		environ []string
		labels  []string
		why     string
		advice  string
	}{
		"not enabled":  {nil, []string{"stoker.on-exit", "never"}, "not-enabled", "stoker.enable=true"},
		"disabled":     {nil, []string{"stoker.enable", "false"}, "disabled", ""},
		"other scope":  {[]string{"STOKER_SCOPE=blue"}, []string{"stoker.enable", "true", "stoker.scope", "red"}, "other-scope", `"red"`},
		"compat off":   {nil, []string{"autoheal", "true"}, "no-labels", "STOKER_COMPAT"},
		"deunhealth":   {nil, []string{"deunhealth.restart.on.unhealthy", "true"}, "no-labels", "STOKER_COMPAT"},
		"autoheal opt": {[]string{"STOKER_SELECT=all", "STOKER_COMPAT=autoheal"}, []string{"autoheal", "false"}, "disabled", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			all, code := checked(t, tt.environ, container("w", labels(tt.labels...)))
			require.Equal(t, 0, code)
			require.Empty(t, all.Workers)
			require.Len(t, all.Ignored, 1)
			require.Equal(t, tt.why, string(all.Ignored[0].Why))
			require.Contains(t, strings.Join(all.Ignored[0].Advice, "\n"), tt.advice)
			require.Equal(t, tt.advice == "", len(all.Ignored[0].Advice) == 0)
		})
	}
}

func TestOthersAreCounted(t *testing.T) {
	all, code := checked(t, nil, container("b"), container("web", labels()), container("db", labels("app", "db")),
		container("stoker"), container("a"))
	require.Equal(t, 0, code)
	require.Equal(t, 2, all.Unlabelled)
	require.Len(t, all.Workers, 2, "Stoker itself is no worker")
	require.Equal(t, "a", string(all.Workers[0].Worker), "by name")

	all, _ = checked(t, []string{"STOKER_SELECT=quota"}, container("w", labels(), func(s *worker.Snapshot) { s.CPUs = 0 }))
	require.Equal(t, 1, all.Unlabelled, "a container without a quota is none of Stoker's business")
}

func TestCheckAndTheEngine(t *testing.T) {
	down := &fakeEngine{listErr: errors.New("no\x1b[2J answer")}
	require.Equal(t, result{1, "", "stoker: explained: no\\x1b[2J answer\n"}, play(t, checkEnv(down), "check"))
	require.Equal(t, result{1, "", "stoker: explained: no\\x1b[2J answer\n"}, play(t, checkEnv(down), "check", "--json"))

	env := checkEnv(down)
	env.Connect = func(config.Config, Build) (Engine, error) { return nil, errors.New("DOCKER_HOST is odd") }
	require.Equal(t, result{2, "", "stoker: DOCKER_HOST is odd\n"}, play(t, env, "check"))

	gone := &fakeEngine{containers: []worker.Snapshot{container("w")}, gone: true}
	got := play(t, checkEnv(gone), "check")
	require.Equal(t, 0, got.code, "what goes meanwhile is no problem")
	require.Contains(t, got.out, "0 workers")

	refused := &fakeEngine{containers: []worker.Snapshot{container("w")}, lookErr: "forbidden"}
	got = play(t, checkEnv(refused), "check")
	require.Equal(t, 1, got.code)
	require.Contains(t, got.out, "forbidden")

	quiet := &fakeEngine{containers: []worker.Snapshot{container("w", labels())}}
	play(t, checkEnv(quiet), "check")
	require.Zero(t, quiet.looks, "what is ignored by its labels is not inspected")
}

func TestTable(t *testing.T) {
	engine := &fakeEngine{containers: []worker.Snapshot{
		container("burner-a"),
		container("burner-b", with("stoker.on-exti", "never"), restarts("on-failure", 3), func(s *worker.Snapshot) {
			s.Status, s.ExitCode = worker.StatusExited, 137
		}),
		container("web", labels("stoker.enable", "no"), func(s *worker.Snapshot) { s.Health = worker.HealthNone }),
	}}
	got := play(t, checkEnv(engine), "check")
	require.Equal(t, 1, got.code)
	lines := strings.Split(got.out, "\n")
	require.Equal(t, "WORKER    STATE             CPUS  RESTART       MANAGED BY  HELD", lines[0])
	require.Equal(t, "burner-a  running, healthy  0.5   no            enabled     -", lines[1])
	require.Equal(t, "burner-b  exited (137)      0.5   on-failure:3  enabled     bad-labels", lines[2])
	require.Regexp(t, `^  problem  stoker\.on-exti=never: `, lines[3])
	require.Equal(t, []string{"", "IGNORED  STATE    WHY", "web      running  disabled", "",
		"2 workers managed, 1 ignored, 0 other containers unlabelled; 1 problem: burner-b", ""}, lines[4:])
}

// However long and hostile the strings of a container are, the table stays in its width and prints only what prints.
func TestTableFitsAndIsHarmless(t *testing.T) {
	hostile := "\x1b]0;owned\x07\x1b[2J\r\n\u202eevil\u200b\x00\xff" + strings.Repeat("x", 3000)
	engine := &fakeEngine{containers: []worker.Snapshot{
		container(strings.Repeat("long-", 30), with("stoker."+hostile, hostile), func(s *worker.Snapshot) {
			s.Health, s.Probes = worker.HealthUnhealthy, []worker.Probe{{At: noon, ExitCode: -1, Output: hostile}}
			s.StartError = hostile
		}),
		container("left", labels("stoker.scope", hostile)),
	}}
	for _, width := range []int{1, 60, 80, 120, 0} {
		env := checkEnv(engine, "NO_COLOR=1")
		env.Width = width
		got := play(t, env, "check")
		require.Equal(t, 1, got.code)
		for line := range strings.Lines(got.out) {
			line = strings.TrimSuffix(line, "\n")
			require.Equal(t, line, sanitize.Escape(line))
			if width >= 60 && !strings.Contains(line, "managed") {
				require.LessOrEqual(t, utf8.RuneCountInString(line), width)
			}
		}
		require.Less(t, len(got.out), 8000, "a container cannot fill the screen")
		require.Equal(t, 1, strings.Count(got.out, "\n  problem  "), "a note that is broken is marked once")
		require.Equal(t, 3, strings.Count(got.out, "\n  advice   "))
	}
}

// Who comes from a long table finds the mistyped label by its colour, and the worker's name in the last line.
func TestTroubleIsFoundInASecond(t *testing.T) {
	var all []worker.Snapshot
	for _, name := range strings.Split("abcdefg", "") {
		all = append(all, container(name, with("stoker.on-exti", "never")))
	}
	env := checkEnv(&fakeEngine{containers: append(all, container("well"))})
	env.Width = 80
	out := play(t, env, "check").out
	require.Contains(t, out, "  \x1b[31mproblem\x1b[0m  stoker.on-exti=never: ")
	require.Contains(t, out, "\x1b[31m8 workers managed, 0 ignored, 0 other containers unlabelled; 7 problems: a, b,\x1b[0m\n"+
		"\x1b[31mc, d, e, 2 more\x1b[0m\n")
}

func TestClean(t *testing.T) {
	for in, want := range map[string]string{
		"plain näme 日本": "plain näme 日本", "a\tb": `a\tb`, "\x1b[1m": `\x1b[1m`, "\u202e": `\u202e`, "\x00": `\x00`, "\u0085": `\u0085`,
		"it's \\ \"quoted\"": "it's \\ \"quoted\"",
	} {
		require.Equal(t, want, sanitize.Escape(in))
	}
	require.True(t, utf8.ValidString(sanitize.Escape("\xff\xfe")))
}
