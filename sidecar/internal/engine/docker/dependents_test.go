package docker

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

func id(letter string) string { return strings.Repeat(letter, 64) }

func TestBondOf(t *testing.T) {
	h := host{id: id("a"), key: "w", former: []string{id("b"), id("c")}}
	for name, c := range map[string]struct {
		refs []string
		want bond
	}{
		"its ID":               {[]string{id("a")}, byNamespace},
		"its ID cut short":     {[]string{id("a")[:12]}, byNamespace},
		"its name":             {[]string{"w"}, byNamespace},
		"a former ID":          {[]string{id("c")}, byFormer},
		"one of each":          {[]string{id("a"), id("b")}, byFormer},
		"another":              {[]string{id("d")}, noBond},
		"a name that is alike": {[]string{"aaa"}, noBond},
		"nobody":               {nil, noBond},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, bondOf(guest{refs: c.refs}, h))
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
		"plain":             {"g", map[string]string{composeProject: "p", composeOneOff: "False"}, false},
		"not looked after":  {"g", map[string]string{"stoker.enable": "false"}, false},
		"one-off":           {"g", map[string]string{composeOneOff: "True"}, true},
		"task of Swarm":     {"g", map[string]string{swarmTask: "x"}, true},
		"service of Swarm":  {"g", map[string]string{swarmService: "x"}, true},
		"set aside":         {"g.stoker-old", nil, true},
		"being made":        {"g.stoker-new", map[string]string{worker.MarkName: "g", worker.MarkOf: "x"}, true},
		"called like these": {"g.stoker-new", nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, untouchable(c.key, c.labels))
		})
	}
}

func on(name string, refs ...string) guest {
	g := guest{id: id(name), key: worker.Key(name)}
	for _, ref := range refs {
		g.refs = append(g.refs, id(ref))
	}
	return g
}

// rounds is who has a turn in which order.
func rounds(all []relative) []string {
	var turns []string
	for now, later := round(all); len(now) > 0; now, later = round(later) {
		turn := ""
		for _, r := range now {
			turn += string(r.key)
		}
		turns = append(turns, turn)
	}
	return turns
}

func TestFamily(t *testing.T) {
	spare := on("s", "p")
	spare.spared = true
	circle := []guest{on("a", "p", "b"), on("b", "a")}
	for name, c := range map[string]struct {
		guests []guest
		want   []string
	}{
		"nobody":               {[]guest{on("p"), on("x")}, nil},
		"one":                  {[]guest{on("p"), on("a", "p"), on("x")}, []string{"a"}},
		"a chain":              {[]guest{on("c", "b"), on("b", "a"), on("a", "p")}, []string{"a", "b", "c"}},
		"a diamond":            {[]guest{on("d", "b", "a"), on("a", "p"), on("b", "c"), on("c", "p")}, []string{"ac", "b", "d"}},
		"below a spared one":   {[]guest{spare, on("a", "s")}, []string{"s"}},
		"also below another":   {[]guest{spare, on("a", "s", "q")}, []string{"sa"}},
		"both parents":         {[]guest{on("a", "p", "q")}, []string{"a"}},
		"a parent hangs on it": {[]guest{on("q", "p"), on("a", "q")}, []string{"a"}},
		"a circle":             {circle, []string{"ab"}},
		"itself":               {[]guest{on("a", "p", "a")}, []string{"a"}},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, rounds(family(c.guests, []host{{id: id("p"), key: "p"}, {id: id("q"), key: "q"}})))
		})
	}
}

func TestStranding(t *testing.T) {
	at := func(seconds int) worker.Incarnation {
		return worker.Incarnation{ID: id("p"), StartedAt: bornAt.Add(time.Duration(seconds) * time.Second)}
	}
	anew := at(5)
	anew.ID = id("n")
	restarted := map[string]life{id("p"): {key: "p", Incarnation: at(5)}}
	madeAnew := map[string]life{id("p"): {key: "p", Incarnation: anew}}
	for name, c := range map[string]struct {
		bond  bond
		self  int
		lives map[string]life
		want  worker.HealAction
	}{
		"older, by namespace":                    {byNamespace, 1, restarted, worker.HealRestart},
		"older, by depends_on":                   {byDependsOn, 1, restarted, worker.HealRestart},
		"younger":                                {byNamespace, 6, restarted, worker.HealNone},
		"as old":                                 {byNamespace, 5, restarted, worker.HealNone},
		"it names an ID that is gone":            {byFormer, 6, restarted, worker.HealRecreate},
		"it names the ID that has gone now":      {byNamespace, 1, madeAnew, worker.HealRecreate},
		"by depends_on, the ID does not matter":  {byDependsOn, 1, madeAnew, worker.HealRestart},
		"by depends_on, younger than its parent": {byDependsOn, 6, madeAnew, worker.HealNone},
		"the host was not healed":                {byNamespace, 1, nil, worker.HealNone},
	} {
		t.Run(name, func(t *testing.T) {
			heal, parent := stranding(relative{guest: on("g"), ties: []tie{{id("p"), c.bond}}}, at(c.self), c.lives)
			require.Equal(t, c.want, heal)
			require.Equal(t, c.want != worker.HealNone, parent == "p")
		})
	}
}
