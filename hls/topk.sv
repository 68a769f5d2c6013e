// topk - the indices of the K largest of Size values, largest first; of equal values the lowest index first.
//
// Timing: one word of Simd values a cycle; the first index leaves one cycle after the last word, then one a cycle
// while the next vector comes in.

module topk #(
  parameter int unsigned Size  = 10,
  parameter int unsigned Simd  = 1,  // values of one word, divides Size
  parameter int unsigned K     = 1,
  parameter int unsigned XBits = 8,
  parameter int unsigned XKind = 2,  // 0 bipolar, 1 unsigned, 2 two's complement
  parameter int unsigned YBits = 4   // an index
) (
  input  logic                  clk_i,
  input  logic                  rst_ni,
  input  logic                  x_valid_i,
  output logic                  x_ready_o,
  input  logic [Simd*XBits-1:0] x_data_i,
  output logic                  y_valid_o,
  input  logic                  y_ready_i,
  output logic [YBits-1:0]      y_data_o
);
  localparam int unsigned Words = Size / Simd;
  localparam int unsigned WordBits = Words > 1 ? $clog2(Words) : 1;
  localparam int unsigned LeftBits = $clog2(K + 1);

  if (Size % Simd != 0) begin : check_1
    $error("topk: Simd=%0d does not divide Size=%0d", Simd, Size);
  end

  // An entry is, from its low bits: the index, the value, offset so that unsigned order is the order of the values,
  // and a bit that is 1 where there is one, which orders it above a place that is free.
  localparam int unsigned EntryBits = YBits + XBits + 1;

  logic [K-1:0][EntryBits-1:0] best_q, best_d;
  logic [K-1:0][YBits-1:0] out_q;
  logic [LeftBits-1:0]     left_q;
  logic [WordBits-1:0]     word_q;
  logic [YBits-1:0]        first_q;  // index of the first value of the word
  logic                    last, out_free;

  assign last      = word_q == WordBits'(Words - 1);
  assign out_free  = left_q == '0 || (left_q == LeftBits'(1) && y_ready_i);
  assign x_ready_o = !last || out_free;
  assign y_valid_o = left_q != '0;
  assign y_data_o  = out_q[0];

  logic [EntryBits-1:0] newcomer, held;
  logic                 placed;  // from there on everything moves down one place
  always_comb begin
    best_d   = word_q == '0 ? '0 : best_q;
    newcomer = '0;
    held     = '0;
    placed   = 1'b0;
    for (int unsigned i = 0; i < Simd; i++) begin
      placed   = 1'b0;
      newcomer = {1'b1, x_data_i[i*XBits+:XBits], first_q + YBits'(i)};
      if (XKind == 2) newcomer[YBits+XBits-1] = !newcomer[YBits+XBits-1];
      for (int unsigned k = 0; k < K; k++) begin
        held   = best_d[k];
        placed = placed || newcomer[EntryBits-1:YBits] > held[EntryBits-1:YBits];
        if (placed) begin
          best_d[k] = newcomer;
          newcomer  = held;
        end
      end
    end
  end

  always_ff @(posedge clk_i) begin
    if (x_valid_i && x_ready_o) begin
      best_q <= best_d;
      if (last) for (int unsigned k = 0; k < K; k++) out_q[k] <= best_d[k][YBits-1:0];
    end
    if (y_valid_o && y_ready_i && !(x_valid_i && x_ready_o && last)) out_q <= out_q >> YBits;
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      word_q  <= '0;
      first_q <= '0;
      left_q  <= '0;
    end else begin
      if (y_valid_o && y_ready_i) left_q <= left_q - 1'b1;
      if (x_valid_i && x_ready_o) begin
        word_q  <= last ? '0 : word_q + 1'b1;
        first_q <= last ? '0 : first_q + YBits'(Simd);
        if (last) left_q <= LeftBits'(K);
      end
    end
  end
endmodule
