"""Where the driver cannot be had: the server says so, and the sockets answer."""

from bed import CABLE, SERVER, SERVER_V6, Bed, Server, listener
from wire import EXTENSION, request

HERE, HERE_V6 = f"{SERVER}:123", f"[{SERVER_V6}]:123"
REFUSED = "no answers from the network driver; sockets answer all"


def serves_on_sockets(bed: Bed, server: Server, why: str) -> None:
    """Whether it answers all, and has told why not from the driver, once."""
    client = bed.open()
    for octets in (request(), request(3), request() + EXTENSION):
        reply = client.ask(octets, SERVER)
        assert reply and reply.is_time(), "it is not answered"
    assert server.in_driver() == 0
    warned = [line for line in server.said().splitlines() if REFUSED in line]
    assert len(warned) == 1 and " WARN " in warned[0], f"the log warns by {warned}"
    assert why in warned[0], f"{why!r} is not in {warned[0]!r}"
    server.end()


def without_the_right_the_sockets_answer(bed: Bed) -> None:
    for lacks, why in ((("sys_admin", "bpf"), "CAP_BPF"),
                       (("sys_admin", "net_admin"), "CAP_NET_ADMIN"),
                       (("sys_admin", "bpf", "net_admin"), "CAP_BPF")):
        server = bed.serve(listener(HERE), without=lacks)
        assert bed.attached() is None, f"without {lacks} there is {bed.attached()}"
        serves_on_sockets(bed, server, why)


def without_the_interface_the_sockets_answer(bed: Bed) -> None:
    for mode in ("auto", "native", "generic"):
        server = bed.serve(listener(HERE), interface="nowhere0", xdp=mode)
        serves_on_sockets(bed, server, "there is no network interface")


def where_the_driver_cannot_the_sockets_answer(bed: Bed) -> None:
    server = bed.serve(listener(HERE), interface="lo", xdp="native")
    serves_on_sockets(bed, server, "cannot do XDP in this mode")


def beside_another_program_the_sockets_answer(bed: Bed) -> None:
    owner = bed.serve(listener(f"{SERVER}:1123")).until_in_driver(f"{SERVER}:1123")
    before = bed.attached()
    client = bed.open()
    assert client.ask(request(), SERVER, 1_123), "the program's owner does not answer"
    for mode in ("auto", "native", "generic"):
        server = bed.serve(listener(HERE), xdp=mode)
        serves_on_sockets(bed, server, "another XDP program is attached to this interface")
        assert bed.attached() == before, f"{before} became {bed.attached()} by mode {mode}"
    assert client.ask(request(), SERVER, 1_123), "the program's owner does not answer"
    assert owner.in_driver() == 2, "the program that was there answers no more"


def a_source_that_cannot_be_foreseen_stays_on_sockets(bed: Bed) -> None:
    sources = ("[sources.wall]\nkind = 'system'\n"
               "[sources.lab]\nkind = 'mock'\nstart = '2030-01-01T00:00:00Z'\n")
    other = f"{SERVER}:1123"
    server = bed.serve(listener(HERE) + listener(other, "", "lab"), sources=sources)
    server.until_in_driver(HERE)
    server.until_said(f"answered by sockets alone address={other} why=its source is for tests")
    client = bed.open()
    assert client.ask(request(), SERVER, 1_123), "the mock is not answered"
    assert server.in_driver(other) == 0
    assert client.ask(request(), SERVER) and server.in_driver(HERE) == 1


def auto_is_generic_where_there_is_no_device(bed: Bed) -> None:
    # A veth takes a native program, and loses its replies where the other end has none.
    server = bed.serve(listener(HERE), xdp="auto")
    server.until_said(f"answers from the network driver interface={CABLE} mode=generic")
    server.until_said(f"answered from the network driver address={HERE} ")
    assert bed.attached()["mode"] == 2, bed.attached()
    assert bed.open().ask(request(), SERVER), "it is not answered"
    assert server.in_driver() == 1, "the sockets answered it"
    server.end()
    server = bed.serve(listener("127.0.0.1:123"), xdp="auto", interface="lo")
    server.until_said("answers from the network driver interface=lo mode=generic")


CASES = (
    (a_source_that_cannot_be_foreseen_stays_on_sockets, ("generic",)),
    (without_the_right_the_sockets_answer, ("generic", "native")),
    (without_the_interface_the_sockets_answer, ("generic",)),
    (where_the_driver_cannot_the_sockets_answer, ("generic",)),
    (beside_another_program_the_sockets_answer, ("generic", "native")),
    (auto_is_generic_where_there_is_no_device, ("generic",)),
)
