package docker

import (
	"sync/atomic"
	"unsafe"

	"github.com/docker/docker/client"
)

// apiPointer is a *client.Client that may be replaced at any time, and that reflection cannot follow. The zero apiPointer is nil.
//
// The templates of a dependency call methods by name, so the linker keeps each exported method of each type that a value in an interface
// leads to, and a Client is such a value. Behind an unsafe.Pointer only the calls that Stoker makes are linked: 320 kB less.
type apiPointer struct{ pointer unsafe.Pointer }

func (p *apiPointer) load() *client.Client { return (*client.Client)(atomic.LoadPointer(&p.pointer)) }

func (p *apiPointer) store(to *client.Client) { atomic.StorePointer(&p.pointer, unsafe.Pointer(to)) }
