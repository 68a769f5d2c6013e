"""Planted faults of the SystemVerilog: units, parts, and the link of a board.

Stands on kinds.
"""

from .kinds import Mutant, equivalent, of_room, rtl, stalls

V, P, B = "hls/units/", "hls/parts/", "hls/board/"
T_LINK = "tests/deploy/test_deploy.py -k 'awkward_words or lost_doubled'"
T_PARTS = "tests/deploy/test_link.py -k parts_make"

# fmt: off
MUTANTS = of_room(
    "rtl",
    rtl(V + "add.sv", "assign step = &x_valid_i && (!y_valid_o || y_ready_i);", "assign step = &x_valid_i && !y_valid_o;", "add"),
    rtl(V + "add.sv", "+ term[2][e*YBits+:YBits] + term[3]", "+ term[3]", "add"),
    stalls(V + "add.sv", "y_valid_o <= step || (y_valid_o && !y_ready_i);", "y_valid_o <= step;", "add"),
    rtl(V + "width.sv", "assign x_ready_o = !full || y_ready_i;", "assign x_ready_o = !full;", "width"),
    rtl(V + "width.sv", "word_q <= {x_data_i, word_q[ParOut*Bits-1:ParIn*Bits]};", "word_q <= {word_q[(ParOut-ParIn)*Bits-1:0], x_data_i};", "width"),
    rtl(V + "width.sv", "left_q == '0 || (left_q == CountBits'(1) && y_ready_i)", "left_q == '0", "width"),
    equivalent(rtl(V + "pool.sv", "assign last  = last_i && last_j && !spare;", "assign last  = last_i && last_j;", "pool"), "Rows and columns that fill no tile end before their tile's last row or column."),
    rtl(V + "pool.sv", "Blocks == 1 && same_q ? new_q : fetched", "fetched", "pool"),
    rtl(V + "pool.sv", "addr_d = addr_q - ABits'(Blocks - 1);", "addr_d = addr_q;", "pool"),
    rtl(V + "topk.sv", "if (winner[i+step][LaneBits+:EntryBits+1] > winner[i]", "if (winner[i+step][LaneBits+:EntryBits+1] >= winner[i]", "topk"),
    rtl(V + "topk.sv", "newcomer[EntryBits-1:YBits] > held[EntryBits-1:YBits]", "newcomer[EntryBits-1:YBits] >= held[EntryBits-1:YBits]", "topk"),
    rtl(V + "topk.sv", "if (XKind == 2) newcomer", "if (XKind == 3) newcomer", "topk"),
    rtl(V + "threshold.sv", "assign reached[k] = x >= Wide'(limit);", "assign reached[k] = x > Wide'(limit);", "threshold"),
    rtl(V + "threshold.sv", "YBits'(Levels) - YBits'(count)", "YBits'(count) - YBits'(Levels)", "threshold"),
    stalls(V + "fifo.sv", "empty_q <= get && get_next == put_q;", "empty_q <= get_next == put_q;", "fifo"),
    stalls(V + "fifo.sv", "head_valid_q <= tail_valid_q || x_valid_i;", "head_valid_q <= x_valid_i;", "fifo"),
    stalls(V + "reduce.sv", "assign x_ready_o = !last || !y_valid_o || y_ready_i;", "assign x_ready_o = 1'b1;", "reduce"),
    rtl(V + "mvu.sv", "assign held = sum_first ? start : acc_q[p];", "assign held = sum_last ? start : acc_q[p];", "mvu_u8"),
    rtl(V + "mvu.sv", "YBits'({acc_q[p], 1'b0}) - YBits'(Cols)", "YBits'({acc_q[p], 1'b0}) + YBits'(Cols)", "mvu_raw"),
    Mutant(V + "mvu.sv", "$signed(acc_q[p]) >= AccBits'(", "$signed(acc_q[p]) > AccBits'(", "tests/units/test_rtl_mvu.py -k reaches_the_threshold"),
    rtl(V + "mvu.sv", "assign x_read = fresh_q ? x_q : again;", "assign x_read = again;", "mvu_bin"),
    rtl(V + "rescale.sv", "shifted < TBits'(Lo) ? YBits'(Lo)", "shifted < TBits'(Lo) ? YBits'(Hi)", "rescale"),
    rtl(V + "rescale.sv", "assign value = {!x[0], 1'b1};", "assign value = {x[0], 1'b1};", "rescale"),
    rtl(V + "upsample.sv", "assign fresh = last_q ? last_i : i_q == '0;", "assign fresh = i_q == '0;", "upsample"),
    rtl(V + "concat.sv", "word_q == WBits'(Words1 - 1)", "word_q == WBits'(Words0 - 1)", "concat"),
    rtl(P + "dot_bits.sv", "{equals, 1'b0} - SumBits'(shared_i)", "{equals, 1'b0} + SumBits'(shared_i)", "mvu_pad"),
    Mutant(P + "dot_bits.sv", "x_counts_i & w_counts_i;", "w_counts_i;", "tests/units/test_rtl_mvu.py -k zeros_of_inputs"),
    rtl(P + "scaled.sv", "if (Subtracts[k]) y -= value << k;", "if (Subtracts[k]) y += value << k;", "add,concat"),
    Mutant(B + "gear.sv", "((8*Room)'(x_data_i) << (8 * kept))", "((8*Room)'(x_data_i) << (8 * held_q))", "tests/deploy/test_deploy.py tests/clients tests/formal -k 'awkward or gear or dma'"),
    Mutant(B + "link_rx.sv", "assign good       = end_q && right_q;", "assign good       = end_q;", T_LINK),
    Mutant(B + "link_rx.sv", "fresh_q <= data < 8'(Parts) && !come_q[PartBits'(data)];", "fresh_q <= data < 8'(Parts);", T_PARTS),
    Mutant(B + "link_rx.sv", "(tag_o == begun_q ? come_q : '0)", "come_q", T_PARTS),
    Mutant(B + "link_rx.sv", "flush_i || keep || whole) come_q", "flush_i || keep) come_q", T_PARTS),
    Mutant(B + "link_rx.sv", "known_q && count_q == end_at_q + CountBits'(Tail);", "known_q;", T_PARTS),
    Mutant(B + "link_tx.sv", "(raw_q == Flag || raw_q == Escape)", "(raw_q == Flag)", T_LINK),
    Mutant(B + "link_tx.sv", "head_q <= {32'b0, ~crc};", "head_q <= {32'b0, crc};", "tests/deploy/test_deploy.py -k awkward_words"),
    Mutant(B + "uart_rx.sv", "data_q <= {line, data_q[7:1]};", "data_q <= {data_q[6:0], line};", "tests/deploy/test_deploy.py -k awkward_words"),
    rtl(V + "recur.sv", "!rst_ni || last_step ? start_states : next;", "!rst_ni ? start_states : next;", "recur_bits"),
    rtl(V + "recur.sv", "new_q[p*HBits+:HBits] : next_q[p*HBits+:HBits];", "new_q[p*HBits+:HBits] : h_q[p*HBits+:HBits];", "recur_gate"),
    rtl(V + "recur.sv", "$signed(acc_q[p*RowsOf]) >= AccBits'(", "$signed(acc_q[p*RowsOf]) > AccBits'(", "recur_every"),
    rtl(V + "recur.sv", "open_q[p] <= $signed(acc_q[p*RowsOf+1]) >= ", "open_q[p] <= $signed(acc_q[p*RowsOf+1]) > ", "recur_gate"),
    rtl(V + "recur.sv", "(sum_first ? start : acc_q[r]) + more", "(sum_last ? start : acc_q[r]) + more", "recur_bits"),
    rtl(V + "recur.sv", "AccBits'({sum[r], 1'b0}) - AccBits'(Simd)", "AccBits'({sum[r], 1'b0}) - AccBits'(States)", "recur_bits"),
    rtl(V + "recur.sv", "y_done && (Every != 0 || last_step)", "y_done && last_step", "recur_zero"),
    Mutant(V + "recur.sv", "Style == 0 && Cycles >= 64)", "Style == 0 && Cycles > 64)", "tests/units/test_rtl_recur.py"),
    Mutant(V + "recur.sv", "(CountBits > 4 ? CountBits - 4 : 0)", "0", "tests/units/test_rtl_recur.py"),
    rtl(V + "recur.sv", "assign start = x[r*XBits] ? AccBits'(1) : '1;", "assign start = x[r*XBits] ? AccBits'(1) : '0;", "recur_signs"),
    rtl(V + "recur.sv", "assign start = AccBits'({1'b0, x[r*XBits+:XBits]});", "assign start = AccBits'($signed(x[r*XBits+:XBits]));", "recur_last"),
    rtl(V + "recur.sv", "if (reached[k]) level += HBits'(By);", "if (reached[k]) level += HBits'(1);", "recur_zero"),
    stalls(V + "recur.sv", "assign step        = go && !drain_q && (!first_group || x_valid_i);", "assign step        = !drain_q && (!first_group || x_valid_i);", "recur_bits"),
    rtl(V + "multiply.sv", "y_data_o[e] <= a ~^ b;", "y_data_o[e] <= a ^ b;", "multiply_bits"),
    rtl(V + "multiply.sv", "<= sign ? number : -number;", "<= sign ? -number : number;", "multiply_sign,multiply_gate"),
    rtl(P + "dots.sv", "WKind == 3 ? 2 : XKind == 3 ? 1 : 0", "WKind == 3 ? 1 : XKind == 3 ? 1 : 0", "recur_signs"),
    rtl(P + "dots.sv", "{XKind != 1 && x_i[c*XBits+XBits-1], x_i", "{x_i[c*XBits+XBits-1], x_i", "recur_every,mvu_u8"),
    Mutant(P + "dots.sv", ".First(3 + Fused)", ".First(3)", "tests/units/test_rtl_mvu.py -k zeros_of_inputs"),
    Mutant(P + "dots.sv", ".Bits(Simd), .Cycles(Fused)", ".Bits(Simd), .Cycles(0)", "tests/units/test_rtl_mvu.py -k zeros_of_inputs"),
)
