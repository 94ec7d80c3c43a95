package policy

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"
)

// Evidence is what is kept of an incarnation that Stoker stops, or that exits by itself.
type Evidence struct {
	Level EvidenceLevel
	// BeforeStop is a command, with its arguments, that runs in the worker before Stoker stops it; empty is none. It runs at any Level.
	BeforeStop []string
	// BeforeStopTimeout is how long the stop waits for the command, more than 0.
	BeforeStopTimeout time.Duration
}

// EvidenceLevel selects how much is kept.
type EvidenceLevel string

// The values of stoker.evidence.
const (
	EvidenceBasic EvidenceLevel = "basic"
	EvidenceLogs  EvidenceLevel = "logs"
	EvidenceOff   EvidenceLevel = "off"
)

// Bounds of stoker.before-stop. A longer command is a script that belongs in the image. A drain of more than an hour is a separate job, and an
// action must end.
const (
	maxCommand        = 8 << 10
	longestBeforeStop = time.Hour
)

const (
	labelBeforeStop        = "stoker.before-stop"
	labelBeforeStopTimeout = "stoker.before-stop-timeout"
)

func defaultEvidence() Evidence {
	return Evidence{Level: EvidenceBasic, BeforeStopTimeout: 10 * time.Second}
}

func evidenceLabels() []Label {
	return []Label{
		{"stoker.evidence", "STOKER_EVIDENCE", string(EvidenceBasic),
			"what is kept of a worker that is healed: `basic`: health outputs, exit code, memory, CPU and processes; `logs`: the last 50 log lines, too; `off`",
			choice(func(p *Policy) *EvidenceLevel { return &p.Evidence.Level }, EvidenceBasic, EvidenceLogs, EvidenceOff)},
		{labelBeforeStop, "STOKER_BEFORE_STOP", NoDefault,
			"a command that Stoker runs in a running worker before it stops it: a JSON array, or a text for `/bin/sh -c`. Its output is evidence, its failure stops nothing",
			setBeforeStop},
		{labelBeforeStopTimeout, "STOKER_BEFORE_STOP_TIMEOUT", "10s", "how long the stop waits for that command",
			setBeforeStopTimeout},
	}
}

func setBeforeStop(p *Policy, value string) error {
	command, err := ParseCommand(value)
	if err == nil {
		p.Evidence.BeforeStop = command
	}
	return err
}

func setBeforeStopTimeout(p *Policy, value string) error {
	d, err := ParseDuration(value)
	switch {
	case err != nil:
		return err
	case d == 0:
		return errors.New("must be more than 0")
	case d > longestBeforeStop:
		return errors.New("too long; the longest is 1h")
	}
	p.Evidence.BeforeStopTimeout = d
	return nil
}

// ParseCommand parses a command with its arguments: a JSON array of strings as in a Dockerfile's exec form, or a string for a shell.
func ParseCommand(value string) ([]string, error) {
	value = strings.TrimSpace(value)
	switch {
	case value == "":
		return nil, errors.New("no command")
	case len(value) > maxCommand:
		return nil, errors.New("longer than 8 kB; put a script into the image and name it")
	case strings.ContainsRune(value, 0):
		return nil, errors.New("contains a NUL, which no command can")
	case value[0] != '[':
		return []string{"/bin/sh", "-c", value}, nil
	}
	var command []string
	if err := json.Unmarshal([]byte(value), &command); err != nil {
		return nil, errors.New(`not a JSON array of texts; write it such as ["kill","-QUIT","1"]`)
	}
	if len(command) == 0 || command[0] == "" {
		return nil, errors.New(`no command; write it such as ["kill","-QUIT","1"]`)
	}
	if slices.ContainsFunc(command, func(s string) bool { return strings.ContainsRune(s, 0) }) {
		return nil, errors.New("contains a NUL, which no command can")
	}
	return command, nil
}

// evidenceWithoutCommand reports a label that has no effect.
func evidenceWithoutCommand(p Policy, set labelSet) []Problem {
	if w, ok := set.once(labelBeforeStopTimeout); ok && len(p.Evidence.BeforeStop) == 0 && len(set.known[labelBeforeStop]) == 0 {
		return []Problem{w.problem("has no effect without stoker.before-stop; add a command, or take this away")}
	}
	return nil
}
