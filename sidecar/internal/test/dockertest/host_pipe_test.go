package dockertest

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"stoker/sidecar/internal/test/testenv"
)

// A process in a user namespace has a file in a mount of its own, as a rootless container's worker does. The host's root, who does not exist in there,
// cannot make a file of his own beside it.
func TestPipeInARootlessContainer(t *testing.T) {
	if os.Getuid() != 0 {
		testenv.Missing(t, "needs root, as the tests do that use it")
	}
	folder, err := os.MkdirTemp("", "pipe") //nolint:usetesting // another user has to enter it
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(folder)) })
	require.NoError(t, os.Chmod(folder, 0o755)) //nolint:gosec // as above
	cmd := exec.Command("sh", "-c", "mount -t tmpfs none "+folder+" && chmod 1777 "+folder+" && echo beat >"+folder+"/beat && echo ready && exec cat")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 200000, Size: 1000}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: 200000, Size: 1000}},
		Credential:  &syscall.Credential{Uid: 0, Gid: 0, NoSetGroups: true},
	}
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	if err := cmd.Start(); err != nil {
		t.Skipf("no user namespaces here: %v", err)
	}
	t.Cleanup(func() { _ = stdin.Close(); _ = cmd.Wait() })
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "ready\n" {
		t.Skipf("no tmpfs in a user namespace here: %q, %v", line, err)
	}
	beat := fmt.Sprintf("/proc/%d/root%s/beat", cmd.Process.Pid, folder)
	require.ErrorIs(t, syscall.Mkfifo(beat+".root", 0o666), unix.EOVERFLOW, "what it is about")
	require.NoError(t, replaceByPipe(beat))
	info, err := os.Stat(beat)
	require.NoError(t, err)
	require.NotZero(t, info.Mode()&os.ModeNamedPipe)
	require.EqualValues(t, 200000, info.Sys().(*syscall.Stat_t).Uid)
	require.NoError(t, os.WriteFile(filepath.Join(folder, "mine"), nil, 0o600), "the other threads are who they were")
}
