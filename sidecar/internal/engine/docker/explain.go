package docker

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"syscall"
)

// linkError is the error of a call that the engine did not answer.
type linkError struct {
	doing  string
	host   string
	cause  error   // the transport's
	denied *denial // nil if no denial is known
}

func (e *linkError) Error() string {
	return fmt.Sprintf("%s: no answer from %s: %v", e.doing, e.host, e.cause)
}

func (e *linkError) Unwrap() error { return e.cause }

// versionError is the error of an engine that does not support the API version that was used.
type versionError struct {
	host, used, newest string
	pinned             bool
	err                error
}

func (e *versionError) Error() string {
	return fmt.Sprintf("API version %s at %s: %v", e.used, e.host, e.err)
}

func (e *versionError) Unwrap() error { return e.err }

// fail wraps an error of the Docker client: as a linkError when the engine did not answer, else with what was tried.
func (c *Client) fail(doing string, s *response, err error) error {
	switch {
	case err == nil:
		return nil
	case s.status != 0 && s.denied != nil:
		return &deniedError{doing: doing, denial: *s.denied, err: err}
	case s.status != 0:
		return fmt.Errorf("%s: %w", doing, err)
	case s.err != nil:
		err = s.err
	}
	return &linkError{doing: doing, host: c.host, cause: err, denied: s.denied}
}

// Explain describes in one line what is wrong with the connection to the engine, and what to do. It returns the text of other errors
// unchanged.
func Explain(err error) string {
	if err == nil {
		return ""
	}
	text := explainVersion(err)
	if link := (*linkError)(nil); text == "" && errors.As(err, &link) {
		text = explainLink(link)
	}
	if text == "" {
		text = err.Error()
	}
	return strings.Join(strings.Fields(text), " ")
}

func explainVersion(err error) string {
	var v *versionError
	switch {
	case !errors.As(err, &v):
		return ""
	case v.pinned:
		return fmt.Sprintf("the engine at %s does not support API version %s, which DOCKER_API_VERSION asks for (its newest is %s): unset DOCKER_API_VERSION", v.host, v.used, v.newest)
	}
	return fmt.Sprintf("the engine at %s does not support API version %s, the nearest that Stoker supports (its newest is %s): use a version of Stoker that supports this engine", v.host, v.used, v.newest)
}

func explainLink(e *linkError) string {
	if e.denied != nil {
		return e.doing + ": " + e.denied.String()
	}
	for _, explain := range []func(*linkError) string{explainTLS, explainSocket, explainNetwork} {
		if text := explain(e); text != "" {
			return text
		}
	}
	return ""
}

func explainTLS(e *linkError) string {
	var (
		record    tls.RecordHeaderError
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		verify    *tls.CertificateVerificationError
		op        *net.OpError
	)
	switch {
	case errors.Is(e, errRequiresTLS):
		return e.host + " requires TLS: set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to the folder of ca.pem, cert.pem and key.pem"
	case errors.Is(e, http.ErrSchemeMismatch), errors.As(e, &record):
		return e.host + " answers without TLS: unset DOCKER_TLS_VERIFY and DOCKER_CERT_PATH, or use the engine's TLS port (2376 as a rule)"
	case errors.As(e, &authority):
		return e.host + " shows a certificate of an unknown authority: put the ca.pem that signed it into DOCKER_CERT_PATH"
	case errors.As(e, &name):
		return fmt.Sprintf("%s shows a certificate for another name (%v): use a name that is in it", e.host, name)
	case errors.As(e, &verify):
		return fmt.Sprintf("%s shows a certificate that does not hold: %v", e.host, verify.Err)
	case errors.As(e, &op) && op.Op == "remote error":
		return fmt.Sprintf("%s refuses this client's certificate (%v): put a cert.pem and key.pem that its authority signed into DOCKER_CERT_PATH", e.host, op.Err)
	}
	return ""
}

func explainSocket(e *linkError) string {
	path, isUnix := strings.CutPrefix(e.host, "unix://")
	if !isUnix {
		return ""
	}
	switch {
	case errors.Is(e, fs.ErrPermission):
		group, known := socketGroup(path)
		return explainPermission(path, group, known, mapped(readOr("/proc/self/uid_map")))
	case errors.Is(e, fs.ErrNotExist):
		return fmt.Sprintf("no engine socket at %s: is Docker running? In a container, mount it: -v %s:%s (of a rootless engine: -v $XDG_RUNTIME_DIR/docker.sock:%s); elsewhere, set DOCKER_HOST",
			path, path, path, path)
	case errors.Is(e, syscall.ECONNREFUSED) && isFolder(path):
		return explainFolder(path, mapped(readOr("/proc/self/uid_map")))
	case errors.Is(e, syscall.ECONNREFUSED):
		return fmt.Sprintf("nothing listens at %s: is Docker running? If the engine was restarted beneath a mounted socket, the mount is stale: restart this container", path)
	}
	return ""
}

// explainFolder: a rootless engine creates the folder in its own /run, so there is nothing to remove on the host.
func explainFolder(path string, inNamespace bool) string {
	const made = "%s is a folder, which Docker makes when the socket to mount does not exist: "
	if inNamespace {
		return fmt.Sprintf(made+"mount the socket of the rootless engine (-v $XDG_RUNTIME_DIR/docker.sock:%s; for the compose files STOKER_SOCKET=$XDG_RUNTIME_DIR/docker.sock, best in .env)", path, path)
	}
	return fmt.Sprintf(made+"remove it on the host, and mount the engine's real socket (of a rootless engine: $XDG_RUNTIME_DIR/docker.sock)", path)
}

// explainPermission: in a user namespace, such as that of a rootless engine, the host's groups do not exist, and root is the user outside.
func explainPermission(path string, group uint32, known, inNamespace bool) string {
	if inNamespace {
		return fmt.Sprintf("may not open %s: with a rootless engine run Stoker as root of its container (docker run --user 0:0, in compose user: \"0:0\"), which is you outside of it; with an engine that has userns-remap, use --userns=host", path)
	}
	if !known {
		return fmt.Sprintf("may not open %s: run Stoker with the socket's group (--group-add, in compose group_add)", path)
	}
	return fmt.Sprintf("may not open %s, which belongs to group %d: run Stoker with that group (docker run --group-add %d, in compose group_add: [\"%d\"])", path, group, group, group)
}

func explainNetwork(e *linkError) string {
	var dns *net.DNSError
	var op net.Error
	switch {
	case errors.Is(e, syscall.EMFILE), errors.Is(e, syscall.ENFILE):
		return fmt.Sprintf("%s: Stoker may not open more files (%v): raise the limit (ulimit -n, in compose ulimits: nofile)", e.doing, e.cause)
	case errors.As(e, &dns):
		return fmt.Sprintf("no address for the name in %s: check DOCKER_HOST", e.host)
	case errors.Is(e, syscall.ECONNREFUSED):
		return fmt.Sprintf("nothing listens at %s: check the port in DOCKER_HOST (2375 plain, 2376 TLS as a rule) and that the engine listens on it", e.host)
	case errors.Is(e, context.DeadlineExceeded), errors.As(e, &op) && op.Timeout():
		return fmt.Sprintf("%s does not answer in time (%s): the engine is overloaded or stuck, or a firewall is between", e.host, e.doing)
	}
	return ""
}

// mapped reports whether a process with this uid_map is in another user namespace than the host's.
func mapped(uidMap string) bool {
	fields := strings.Fields(uidMap)
	return len(fields) > 0 && !slices.Equal(fields, []string{"0", "0", "4294967295"})
}

// readOr returns a file's text; empty if it cannot be read.
func readOr(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return string(text)
}

// socketGroup is the group that may open the socket.
func socketGroup(path string) (uint32, bool) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, false
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, false
	}
	return stat.Gid, true
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
