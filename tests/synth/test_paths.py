"""nextpnr's critical path becomes a sentence about units."""

from hwflow.synth.paths import describe_critical_path, part_of


def hop(cell: str, kind: str, delay: float) -> dict:
    return {"type": kind, "delay": delay, "from": {"cell": ""}, "to": {"cell": cell, "port": "A"}}


def test_cells_belong_to_units_and_to_parts_of_the_board():
    assert part_of("board.net.core.u_conv1.gen_bits.sum_q_TRELLIS_FF_Q_3") == "conv1"
    assert part_of("board.net.slice_out.gen_slice.words.head_q_LUT4_Z") == "the slice behind the network"
    assert part_of("board.to_host.crc_of.data_i_LUT4_Z") == "the link's transmitter"
    assert part_of("something_else") == "the board"


def test_the_slowest_path_within_a_clock_is_told():
    slow = [
        hop("board.net.core.u_dense3.a", "clk-to-q", 0.5),
        hop("board.net.core.u_dense3.b", "routing", 2.0),
        hop("board.net.core.u_dense3.b", "logic", 0.25),
        hop("board.net.slice_out.c", "routing", 1.5),
        hop("board.net.slice_out.c", "setup", 0.1),
    ]
    clock = {"from": "posedge clk", "to": "posedge clk"}
    report = {
        "critical_paths": [
            {**clock, "path": slow[:2]},
            {**clock, "path": slow},
            {"from": "async", "to": "posedge clk", "path": slow * 2},
        ]
    }
    told = "dense3 to the slice behind the network: 0.85 ns in 1 levels of logic, 3.50 ns of wires"
    assert describe_critical_path(report) == told
    assert describe_critical_path({"critical_paths": []}) is None
    assert (
        describe_critical_path({"critical_paths": [{**clock, "path": slow[:2]}]})
        == "within dense3: 0.50 ns in 0 levels of logic, 2.00 ns of wires"
    )
