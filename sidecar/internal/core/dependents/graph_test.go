package dependents

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

func id(letter string) string { return strings.Repeat(letter, 64) }

func TestRelationOf(t *testing.T) {
	p := parent{id: id("a"), key: "w", previous: []string{id("b"), id("c")}}
	for name, c := range map[string]struct {
		refs []string
		want relation
	}{
		"its ID":               {[]string{id("a")}, byNamespace},
		"its ID cut short":     {[]string{id("a")[:12]}, byNamespace},
		"its name":             {[]string{"w"}, byNamespace},
		"a previous ID":        {[]string{id("c")}, byPreviousID},
		"one of each":          {[]string{id("a"), id("b")}, byPreviousID},
		"another":              {[]string{id("d")}, unrelated},
		"a name that is alike": {[]string{"aaa"}, unrelated},
		"unrelated":            {nil, unrelated},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, relationOf(worker.Dependent{Parents: c.refs}, p))
		})
	}
}

func TestDependsOn(t *testing.T) {
	on := map[string]string{composeProject: "p", composeService: "db"}
	for label, want := range map[string]bool{
		"db:service_started:true":                            true,
		"db:service_healthy:True":                            true,
		"web:service_started:false, db:service_started:true": true,
		"db:service_started:false":                           false,
		"db2:service_started:true":                           false,
		"db":                                                 false, // compose before v2.3
		"db:service_started":                                 false,
		"":                                                   false,
		",::,:":                                              false,
	} {
		require.Equal(t, want, dependsOn(map[string]string{composeProject: "p", composeDependsOn: label}, on), label)
		require.False(t, dependsOn(map[string]string{composeProject: "q", composeDependsOn: label}, on), "another project")
		require.False(t, dependsOn(map[string]string{composeDependsOn: label}, map[string]string{composeService: "db"}), "no project")
	}
}

func TestUntouchable(t *testing.T) {
	for name, c := range map[string]struct {
		key    worker.Key
		labels map[string]string
		want   bool
	}{
		"plain":             {"g", map[string]string{composeProject: "p", "com.docker.compose.oneoff": "False"}, false},
		"disabled":          {"g", map[string]string{"stoker.enable": "false"}, false},
		"one-off":           {"g", map[string]string{"com.docker.compose.oneoff": "True"}, true},
		"task of Swarm":     {"g", map[string]string{"com.docker.swarm.task.id": "x"}, true},
		"service of Swarm":  {"g", map[string]string{"com.docker.swarm.service.id": "x"}, true},
		"set aside":         {"g.stoker-old", nil, true},
		"being made":        {"g.stoker-new", map[string]string{worker.MarkName: "g", worker.MarkOf: "x"}, true},
		"called like these": {"g.stoker-new", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, untouchable(worker.Dependent{Key: c.key, Labels: c.labels}))
		})
	}
}

func on(name string, refs ...string) worker.Dependent {
	d := worker.Dependent{ID: id(name), Key: worker.Key(name)}
	for _, ref := range refs {
		d.Parents = append(d.Parents, id(ref))
	}
	return d
}

// rounds lists the containers of each round.
func rounds(all []Affected) []string {
	var turns []string
	for now, later := Round(all); len(now) > 0; now, later = Round(later) {
		turn := ""
		for _, d := range now {
			turn += string(d.Key)
		}
		turns = append(turns, turn)
	}
	return turns
}

func parentOf(name string) worker.Parent {
	return worker.Parent{Key: worker.Key(name), Incarnation: worker.Incarnation{ID: id(name)}}
}

func TestFind(t *testing.T) {
	managed := on("s", "p")
	for name, c := range map[string]struct {
		all  []worker.Dependent
		want []string
	}{
		"none":                     {[]worker.Dependent{on("p"), on("x")}, nil},
		"one":                      {[]worker.Dependent{on("p"), on("a", "p"), on("x")}, []string{"a"}},
		"a chain":                  {[]worker.Dependent{on("c", "b"), on("b", "a"), on("a", "p")}, []string{"a", "b", "c"}},
		"a diamond":                {[]worker.Dependent{on("d", "b", "a"), on("a", "p"), on("b", "c"), on("c", "p")}, []string{"ac", "b", "d"}},
		"below a managed one":      {[]worker.Dependent{managed, on("a", "s")}, []string{"s"}},
		"also below another":       {[]worker.Dependent{managed, on("a", "s", "q")}, []string{"sa"}},
		"both parents":             {[]worker.Dependent{on("a", "p", "q")}, []string{"a"}},
		"a parent depends on one":  {[]worker.Dependent{on("q", "p"), on("a", "q")}, []string{"q", "a"}},
		"a circle":                 {[]worker.Dependent{on("a", "p", "b"), on("b", "a")}, []string{"ab"}},
		"itself":                   {[]worker.Dependent{on("a", "p", "a")}, []string{"a"}},
		"one that is never healed": {[]worker.Dependent{{ID: id("a"), Key: "a.stoker-old", Parents: []string{id("p")}}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			found := Find(c.all, []worker.Parent{parentOf("p"), parentOf("q")}, func(one string) bool { return one == id("s") })
			require.Equal(t, c.want, rounds(found))
		})
	}
}

func TestRequiredAction(t *testing.T) {
	begunAt := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	at := func(seconds int) time.Time { return begunAt.Add(time.Duration(seconds) * time.Second) }
	restarted := map[string]Begun{id("p"): {Key: "p", Incarnation: worker.Incarnation{ID: id("p"), StartedAt: at(5)}, EndedAt: at(4)}}
	recreated := map[string]Begun{id("p"): {Key: "p", Incarnation: worker.Incarnation{ID: id("n"), StartedAt: at(5)}}}
	running := func(since int) worker.Snapshot {
		return worker.Snapshot{Incarnation: worker.Incarnation{StartedAt: at(since)}, ProcessState: worker.ProcessState{Status: worker.StatusRunning}}
	}
	down := func(ended, code int) worker.Snapshot {
		s := running(1)
		s.Status, s.FinishedAt, s.ExitCode = worker.StatusExited, at(ended), code
		return s
	}
	paused := running(1)
	paused.Status = worker.StatusPaused
	for name, c := range map[string]struct {
		relation relation
		self     worker.Snapshot
		begun    map[string]Begun
		change   func(a *Affected)
		leftDown bool
		want     worker.HealAction
	}{
		"older, by namespace":                    {relation: byNamespace, self: running(1), begun: restarted, want: worker.HealRestart},
		"older, by depends_on":                   {relation: byDependsOn, self: running(1), begun: restarted, want: worker.HealRestart},
		"younger":                                {relation: byNamespace, self: running(6), begun: restarted},
		"as old":                                 {relation: byNamespace, self: running(5), begun: restarted},
		"it names an ID that is gone":            {relation: byPreviousID, self: running(6), begun: restarted, want: worker.HealRecreate},
		"it names the ID that has gone now":      {relation: byNamespace, self: running(1), begun: recreated, want: worker.HealRecreate},
		"by depends_on, the ID does not matter":  {relation: byDependsOn, self: running(1), begun: recreated, want: worker.HealRestart},
		"by depends_on, younger than its parent": {relation: byDependsOn, self: running(6), begun: recreated},
		"the parent was not healed":              {relation: byNamespace, self: running(1)},
		"paused":                                 {relation: byNamespace, self: paused, begun: restarted},
		"paused, and a worker": {relation: byNamespace, self: paused, begun: restarted, want: worker.HealRestart,
			change: func(a *Affected) { a.Managed = true }},
		"down":                        {relation: byNamespace, self: down(4, 137), begun: restarted},
		"left down by an earlier try": {relation: byNamespace, self: down(2, 0), begun: restarted, leftDown: true, want: worker.HealRestart},
		"killed with its parent":      {relation: byNamespace, self: down(4, 137), begun: restarted, want: worker.HealRestart, change: inProcessNamespace},
		"stopped before its parent":   {relation: byNamespace, self: down(2, 137), begun: restarted, change: inProcessNamespace},
		"ended by itself":             {relation: byNamespace, self: down(4, 0), begun: restarted, change: inProcessNamespace},
		"killed, and the end of its parent has no time": {relation: byNamespace, self: down(4, 137), begun: recreated, change: inProcessNamespace},
	} {
		t.Run(name, func(t *testing.T) {
			a := Affected{Dependent: on("g"), edges: []edge{{id("p"), c.relation}}}
			if c.change != nil {
				c.change(&a)
			}
			heal, parent := RequiredAction(a, c.self, c.begun, c.leftDown)
			require.Equal(t, c.want, heal)
			require.Equal(t, c.want != worker.HealNone, parent == "p")
		})
	}
}

func inProcessNamespace(a *Affected) { a.PIDParent = id("p") }
