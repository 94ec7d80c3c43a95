package config

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/demand"
)

// loadSources loads with one file that holds a source.
func loadSources(environ ...string) (Config, []Problem) {
	files := map[string]string{"/run/secrets/tasks": "amqp://u:hunter2@h?queue=q\n", "/run/secrets/bad": "amqp://u:hunter2@h\n", "/empty": "\n"}
	return Loader{ReadFile: func(path string) ([]byte, error) {
		if content, ok := files[path]; ok {
			return []byte(content), nil
		}
		return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}}.Load(environ)
}

func TestSourcesGetNames(t *testing.T) {
	c, problems := loadSources("STOKER_DEMAND_TASKS_FILE=/run/secrets/tasks", "STOKER_DEMAND_Both-OF.them= redis://h?list=l  amqp://u:hunter2@h?queue=q ", "STOKER_DEMAND_OFF=")
	require.Empty(t, problems)
	tasks, err := demand.ParseSource("amqp://u:hunter2@h?queue=q")
	require.NoError(t, err)
	list, err := demand.ParseSource("redis://h?list=l")
	require.NoError(t, err)
	require.Equal(t, map[string][]demand.Source{"tasks": {tasks}, "both_of_them": {list, tasks}}, c.Sources)
	require.Contains(t, c.Summary(), "sources of work: both_of_them=redis://h/0?list=l amqp://***@h/?queue=q, tasks=amqp://***@h/?queue=q")

	resolved, err := demand.Resolve("Tasks", c.Sources)
	require.NoError(t, err)
	require.Equal(t, []demand.Source{tasks}, resolved)
}

func TestBadSources(t *testing.T) {
	for environ, line := range map[string]string{
		"STOKER_DEMAND_TASKS=amqp://h": "STOKER_DEMAND_TASKS: queue= is missing, so it is not clear which queue; write amqp://user:password@host/vhost?queue=name",
		"STOKER_DEMAND_TASKS=redis://h?list=l amqp://h": "STOKER_DEMAND_TASKS: source 2 of 2: queue= is missing, so it is not clear which queue; " +
			"write amqp://user:password@host/vhost?queue=name",
		"STOKER_DEMAND_TASKS=tasks":                                                 "STOKER_DEMAND_TASKS: not a URL; write one such as amqp://user:password@host/vhost?queue=name",
		`STOKER_DEMAND_TASKS="redis://h?list=l"`:                                    "STOKER_DEMAND_TASKS: not a supported kind of source; begin it with one of amqp, amqps, rabbitmq+http, rabbitmq+https, redis, rediss, prometheus+http, prometheus+https, http+json or https+json; the quotes are part of the value, leave them out",
		"STOKER_DEMAND_TARGE=5":                                                     "STOKER_DEMAND_TARGE: not a URL; write one such as amqp://user:password@host/vhost?queue=name; did you mean STOKER_DEMAND_TARGET?",
		"STOKER_DEMAND_POLL_FILE=/run/secrets/tasks":                                `STOKER_DEMAND_POLL_FILE: "poll" has a meaning of its own there, so no source can have it as its name; choose another name`,
		"STOKER_DEMAND_FILE=/run/secrets/tasks":                                     `STOKER_DEMAND_FILE: "file" has a meaning of its own there, so no source can have it as its name; choose another name`,
		"STOKER_DEMAND_=redis://h?list=l":                                           "STOKER_DEMAND_: the name of a source has letters, digits and _, 64 at most",
		"STOKER_DEMAND_TASKS_FILE=/nowhere":                                         "STOKER_DEMAND_TASKS_FILE: cannot be read: file does not exist",
		"STOKER_DEMAND_TASKS_FILE=/empty":                                           "STOKER_DEMAND_TASKS_FILE: the file is empty",
		"STOKER_DEMAND_TASKS_FILE=/run/secrets/bad":                                 "STOKER_DEMAND_TASKS_FILE: queue= is missing, so it is not clear which queue; write amqp://user:password@host/vhost?queue=name",
		"stoker_demand_tasks=redis://h?list=l":                                      "stoker_demand_tasks: not a variable of Stoker; did you mean STOKER_DEMAND_TARGET?",
		"STOKER_DEMAND_TASKS=redis://h?list=l|STOKER_DEMAND_tasks=redis://h?list=l": "STOKER_DEMAND_tasks: STOKER_DEMAND_TASKS is set too; keep one of them",
		"STOKER_DEMAND_TASKS=redis://h?list=l|STOKER_DEMAND_TASKS_FILE=/empty":      "STOKER_DEMAND_TASKS_FILE: STOKER_DEMAND_TASKS is set too; keep one of them",
	} {
		t.Run(environ, func(t *testing.T) {
			_, problems := loadSources(strings.Split(environ, "|")...)
			require.Equal(t, []string{line}, lines(problems))
		})
	}
}

// STOKER_DEMAND itself is the default of a label, and may name sources of other variables.
func TestSourceOfAll(t *testing.T) {
	c, problems := loadSources("STOKER_DEMAND=tasks amqp://u:hunter2@i?queue=r", "STOKER_DEMAND_TASKS=amqp://u:hunter2@h?queue=q")
	require.Empty(t, problems)
	require.Equal(t, "tasks amqp://u:hunter2@i?queue=r", c.Rules.Policy.Demand.Source)
	require.Equal(t, c.Sources, c.Rules.Named)
	require.Contains(t, c.Summary(), "defaults=STOKER_DEMAND=tasks amqp://***@i/?queue=r")

	_, problems = loadSources("STOKER_DEMAND=tasks")
	require.Equal(t, []string{`STOKER_DEMAND="tasks": no source is called "tasks"; set STOKER_DEMAND_TASKS or STOKER_DEMAND_TASKS_FILE of Stoker to its URL`}, lines(problems))
}

// The taken names are suffixes of labels' variables, or look like one.
func TestTakenNamesAreNoSources(t *testing.T) {
	for _, name := range taken() {
		_, problems := loadSources("STOKER_DEMAND_" + strings.ToUpper(name) + "=amqp://u:hunter2@h?queue=q")
		require.Len(t, problems, 1, name)
		require.NotContains(t, problems[0].String(), "hunter2")
	}
}

func TestSecretsOfSourcesStaySecret(t *testing.T) {
	for _, value := range []string{
		"amqp://u:hunter2@h?queue=q", "amqp://u:hunter2@h", "amqp://u:hun/hunter2@h?queue=q", `"amqp://u:hunter2@h?queue=q"`, `"hunter2"`, "hunter2", "u:hunter2@h",
		"http://u:hunter2@h", "http+json://h?token=hunter2&value=n", "http+json://h?token=hunter2", "redis://h?list=l hunter2",
	} {
		for _, variable := range []string{"STOKER_DEMAND_TASKS", "STOKER_DEMAND_TASKS_FILE", "STOKER_DEMAND_POLL_FILE", "STOKER_DEMAND_FILE", "STOKER_DEMND_TASKS", "stoker_demand_tasks", "STOKER_DEMAND", "STOKER_DEMAND_TARGET", "STOKER_DEMAND_POLL"} {
			if (value == "hunter2" || strings.HasSuffix(value, " hunter2")) && slices.Contains(names(), variable) {
				continue // a plain word is the name of a source here, and no secret
			}
			c, problems := loadSources(variable + "=" + value)
			printed := fmt.Sprintf("%v %+v %#v %s %+v %v", c, c, &c, strings.Join(c.Summary(), "\n"), problems, lines(problems))
			require.NotContains(t, printed, "hunter2", variable)
		}
	}
}
