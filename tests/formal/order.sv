// order - what every unit that only moves elements keeps: none is lost, doubled or overtaken, and something moves.
//
// Elements are numbered as they enter and as they leave, modulo Round, which both word sizes divide and which is more than
// the unit holds (Room). One of them, chosen freely (`at`), is followed: what is proved of it holds of all.

module order #(
  parameter int Bits  = 1,
  parameter int In    = 1,  // elements of a word at x
  parameter int Out   = 1,
  parameter int Room  = 2,  // elements the unit may hold
  parameter int Round = 8,
  parameter int Idle  = 4   // cycles in a row in which both ends wait in vain, at most
) (
  input logic clk,
  input logic rst_n,
  input logic xv, xr, yv, yr,
  input logic [In*Bits-1:0]  x,
  input logic [Out*Bits-1:0] y
);
  localparam int B = $clog2(Round + 1);
  (* anyconst *) logic [B-1:0] at;
  logic [B-1:0]    entered, left;
  logic [B:0]      held;
  logic [Bits-1:0] kept;
  logic            follow, stalled;
  logic [3:0]      idle;
  logic [Out*Bits-1:0] y_before;
  logic put, get, in_hit, out_hit;
  logic [Bits-1:0] in_element, out_element;

  assign put = xv && xr;
  assign get = yv && yr;
  assign in_hit  = put && at >= entered && at < entered + In;
  assign out_hit = get && at >= left && at < left + Out;
  assign in_element  = x[(at - entered)*Bits +: Bits];
  assign out_element = y[(at - left)*Bits +: Bits];

  always_comb assume (at < Round);
  always @(posedge clk) begin
    if (!rst_n) begin
      entered <= 0;
      left    <= 0;
      held    <= 0;
      follow  <= 0;
      idle    <= 0;
      stalled <= 0;
    end else begin
      if (put) entered <= entered + In == Round ? 0 : entered + In;
      if (get) left <= left + Out == Round ? 0 : left + Out;
      held <= held + (put ? In : 0) - (get ? Out : 0);
      if (in_hit) begin
        follow <= !out_hit;
        kept   <= in_element;
      end else if (out_hit) follow <= 0;
      idle     <= put || get || !xv || !yr ? 0 : idle + 1;
      stalled  <= yv && !yr;
      y_before <= y;
      assert (!get || held + (put ? In : 0) >= Out);  // nothing comes from nothing
      assert (held <= Room);
      if (out_hit) assert (follow ? out_element == kept : in_hit && out_element == in_element);
      if (in_hit) assert (!follow || out_hit);        // it left before its number came again
      if (stalled) assert (yv && y == y_before);      // valid waits for ready, with its word
      assert (idle < Idle);
    end
  end
endmodule
