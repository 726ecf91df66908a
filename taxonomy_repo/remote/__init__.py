"""What crosses a network: whom this program may talk to, git's own program, keeping a taxonomy equal to a remote one,
and the documents of knowledge leaves that lie elsewhere. Nothing outside this folder opens a connection for git."""
