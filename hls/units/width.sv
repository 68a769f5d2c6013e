// width - the same elements in words of another size, any ParIn to any ParOut.
//
// Narrower words leave one a cycle while a wide one is held; wider ones leave when they are complete; where neither
// size divides the other, elements wait in a buffer of ParIn + ParOut - gcd. No cycle is lost in any of the three:
// the side with more words moves one in every cycle. Latency: 1 cycle after the last word that the first output needs.
// x_ready_o comes from a register: a word that comes while y stands waits in a skid buffer.

module width #(
  parameter int unsigned Bits   = 1,  // of one element
  parameter int unsigned ParIn  = 4,  // elements of one word at x
  parameter int unsigned ParOut = 2   // elements of one word at y
) (
  input  logic                   clk_i,
  input  logic                   rst_ni,
  input  logic                   x_valid_i,
  output logic                   x_ready_o,
  input  logic [ParIn*Bits-1:0]  x_data_i,
  output logic                   y_valid_o,
  input  logic                   y_ready_i,
  output logic [ParOut*Bits-1:0] y_data_o
);
  // Euclid, unrolled far enough for any 32-bit pair (47 steps)
  function automatic int unsigned gcd(input int unsigned p, input int unsigned q);
    int unsigned a, b, c;
    a = p;
    b = q;
    for (int i = 0; i < 48; i++) begin
      if (b != 0) begin
        c = a % b;
        a = b;
        b = c;
      end
    end
    gcd = a;
  endfunction

  logic                  valid, ready;  // of the word behind the skid buffer
  logic [ParIn*Bits-1:0] data;
  if (ParIn == ParOut) begin : gen_wires
    assign valid     = x_valid_i;
    assign x_ready_o = ready;
    assign data      = x_data_i;
  end else begin : gen_skid
    skid #(
      .Bits(ParIn * Bits)
    ) arriving (
      .clk_i(clk_i), .rst_ni(rst_ni),
      .x_valid_i(x_valid_i), .x_ready_o(x_ready_o), .x_data_i(x_data_i),
      .y_valid_o(valid), .y_ready_i(ready), .y_data_o(data)
    );
  end

  if (ParIn == ParOut) begin : gen_same
    assign y_valid_o = valid;
    assign ready     = y_ready_i;
    assign y_data_o  = data;
    logic unused;
    assign unused = &{clk_i, rst_ni};
  end else if (ParOut % ParIn == 0) begin : gen_widen
    localparam int unsigned Ratio = ParOut / ParIn;
    localparam int unsigned CountBits = $clog2(Ratio + 1);

    logic [ParOut*Bits-1:0] word_q;
    logic [CountBits-1:0]   held_q;
    logic                   full, put;

    assign full      = held_q == CountBits'(Ratio);
    assign ready     = !full || y_ready_i;
    assign put       = valid && ready;
    assign y_valid_o = full;
    assign y_data_o  = word_q;

    always_ff @(posedge clk_i) begin
      if (put) word_q <= {data, word_q[ParOut*Bits-1:ParIn*Bits]};  // the first word arrives at the low end
    end

    always_ff @(posedge clk_i) begin
      if (!rst_ni) held_q <= '0;
      else if (full && y_ready_i) held_q <= CountBits'(put);
      else if (put) held_q <= held_q + 1'b1;
    end
  end else if (ParIn % ParOut == 0) begin : gen_narrow
    localparam int unsigned Ratio = ParIn / ParOut;
    localparam int unsigned CountBits = $clog2(Ratio + 1);

    logic [ParIn*Bits-1:0] word_q;
    logic [CountBits-1:0]  left_q;

    assign y_valid_o = left_q != '0;
    assign y_data_o  = word_q[ParOut*Bits-1:0];
    assign ready     = left_q == '0 || (left_q == CountBits'(1) && y_ready_i);

    always_ff @(posedge clk_i) begin
      if (ready) word_q <= data;
      else if (y_ready_i) word_q <= word_q >> (ParOut * Bits);
    end

    always_ff @(posedge clk_i) begin
      if (!rst_ni) left_q <= '0;
      else if (ready) left_q <= valid ? CountBits'(Ratio) : '0;
      else if (y_ready_i) left_q <= left_q - 1'b1;
    end
  end else begin : gen_any
    localparam int unsigned Unit = gcd(ParIn, ParOut);  // levels are multiples of it
    localparam int unsigned In   = ParIn / Unit;
    localparam int unsigned Out  = ParOut / Unit;
    localparam int unsigned Room = In + Out - 1;
    localparam int unsigned CountBits = $clog2(Room + 1);
    localparam int unsigned UnitBits  = Unit * Bits;

    logic [Room*UnitBits-1:0] held_q, held_d;
    logic [CountBits-1:0]          count_q, after_get;
    logic                          get, put;

    assign y_valid_o = count_q >= CountBits'(Out);
    assign y_data_o  = held_q[Out*UnitBits-1:0];
    assign get       = y_valid_o && y_ready_i;
    assign after_get = get ? count_q - CountBits'(Out) : count_q;
    assign ready     = after_get <= CountBits'(Room - In);
    assign put       = valid && ready;

    always_comb begin
      held_d = get ? held_q >> (Out * UnitBits) : held_q;
      for (int unsigned at = 0; at <= Room - In; at++) begin
        if (after_get == CountBits'(at)) held_d[at*UnitBits+:In*UnitBits] = data;  // beyond the count anything may stand
      end
    end

    always_ff @(posedge clk_i) held_q <= held_d;

    always_ff @(posedge clk_i) begin
      if (!rst_ni) count_q <= '0;
      else count_q <= put ? after_get + CountBits'(In) : after_get;
    end
  end
endmodule
