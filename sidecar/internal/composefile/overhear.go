package composefile

import (
	"bytes"
	"strings"

	"github.com/sirupsen/logrus"
)

// message is a log line that is nothing but its message.
type message struct{}

func (message) Format(e *logrus.Entry) ([]byte, error) {
	return []byte(strings.Join(strings.Fields(e.Message), " ") + "\n"), nil
}

// overheard runs f and returns what compose-go warned of meanwhile. It has no other way to say so than the process's
// standard logger, which Stoker does not use otherwise, and which is as before afterwards.
func overheard(f func() error) ([]string, error) {
	var said bytes.Buffer
	log := logrus.StandardLogger()
	out, formatter := log.Out, log.Formatter
	log.SetOutput(&said)
	log.SetFormatter(message{})
	defer func() {
		log.SetOutput(out)
		log.SetFormatter(formatter)
	}()
	err := f()
	var lines []string
	for line := range strings.Lines(said.String()) {
		lines = append(lines, strings.TrimSuffix(line, "\n"))
	}
	return lines, err
}
