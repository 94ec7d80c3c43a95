package composefile

import (
	"bytes"
	"strings"

	"github.com/sirupsen/logrus"
)

// message formats a log entry as its message only.
type message struct{}

func (message) Format(e *logrus.Entry) ([]byte, error) {
	return []byte(strings.Join(strings.Fields(e.Message), " ") + "\n"), nil
}

// captureLog runs f and returns the warnings of compose-go, which logs them to the process's standard logger. Stoker does not use
// that logger otherwise, and it is restored afterwards.
func captureLog(f func() error) ([]string, error) {
	var logged bytes.Buffer
	log := logrus.StandardLogger()
	out, formatter := log.Out, log.Formatter
	log.SetOutput(&logged)
	log.SetFormatter(message{})
	defer func() {
		log.SetOutput(out)
		log.SetFormatter(formatter)
	}()
	err := f()
	var lines []string
	for line := range strings.Lines(logged.String()) {
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
	return lines, err
}
