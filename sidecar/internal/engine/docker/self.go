package docker

import (
	"bufio"
	"io"
	"os"
	"regexp"
	"strings"
)

// SelfID returns the ID of the container that this process runs in; empty outside a container.
func SelfID() string {
	if id := findIn("/proc/self/mountinfo", idInMounts); id != "" {
		return id
	}
	return findIn("/proc/self/cgroup", idInCgroup)
}

func findIn(path string, find func(io.Reader) string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	return find(file)
}

var (
	inContainers = regexp.MustCompile(`containers/([0-9a-f]{64})/`)
	anyID        = regexp.MustCompile(`[0-9a-f]{64}`)
)

// idInMounts looks for the files that an engine mounts into each container from its own folder. Only these count: a host's
// mount table is full of other containers' folders.
func idInMounts(r io.Reader) string {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 5 {
			continue
		}
		root, target := fields[3], fields[4]
		if target != "/etc/hostname" && target != "/etc/hosts" && target != "/etc/resolv.conf" {
			continue
		}
		if found := inContainers.FindStringSubmatch(root); found != nil {
			return found[1]
		}
	}
	return ""
}

// idInCgroup looks for the ID in the cgroup's path: /docker/<id>, or docker-<id>.scope under systemd. With a cgroup namespace
// of its own, a container sees only "/". In a nested engine the innermost counts, which is the last.
func idInCgroup(r io.Reader) string {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if found := anyID.FindAllString(lines.Text(), -1); len(found) > 0 {
			return found[len(found)-1]
		}
	}
	return ""
}
