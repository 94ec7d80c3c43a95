// Command talk is the process in the containers of the live tests. "talk PORT DELAY" answers every connection to the port, listens on none
// if PORT is 0, prints "ready" once it handles SIGTERM, and exits DELAY after that signal. "talk dial ADDRESS" succeeds if a talk answers at
// the address.
package main

import (
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) != 3 {
		os.Exit(2)
	}
	if os.Args[1] == "dial" {
		dial(os.Args[2])
		return
	}
	end := make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGTERM)
	_, _ = os.Stdout.WriteString("ready\n")
	delay, err := time.ParseDuration(os.Args[2])
	if err != nil {
		panic(err)
	}
	if port := os.Args[1]; port != "0" {
		go answer(port)
	}
	<-end
	time.Sleep(delay)
}

func answer(port string) {
	listener, err := net.Listen("tcp", ":"+port)
	if err != nil {
		panic(err)
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			panic(err)
		}
		_, _ = conn.Write([]byte("here"))
		_ = conn.Close()
	}
}

func dial(address string) {
	conn, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		os.Exit(1)
	}
	_ = conn.SetDeadline(time.Now().Add(time.Second))
	var answer [4]byte
	if n, err := conn.Read(answer[:]); err != nil || string(answer[:n]) != "here" {
		os.Exit(1)
	}
}
