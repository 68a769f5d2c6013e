// link_tx - answers become frames on a serial line.
//
// Sends, in this order of urgency: the reply to HELLO (what this design is), BUSY for a dropped image, the value of a
// register that was read, and answers as they come. A HELLO cuts an answer short; the flag that opens the reply ends the broken frame, whose CRC is wrong.
// Frames are as in link_rx; hwflow/driver.py says what they mean.

module link_tx #(
  parameter int unsigned Bytes    = 1,  // of one answer
  parameter int unsigned DesignId = 0,
  parameter int unsigned Version  = 3
) (
  input  logic        clk_i,
  input  logic        rst_ni,
  input  logic        hello_i,  // pulse
  input  logic        busy_i,   // pulse
  input  logic [15:0] tag_i,    // of either
  input  logic        value_i,  // pulse: the register of value_tag_i was read
  input  logic [15:0] value_tag_i,
  input  logic [31:0] value_data_i,
  input  logic        x_valid_i,
  output logic        x_ready_o,
  input  logic [7:0]  x_data_i,
  input  logic [15:0] x_tag_i,  // steady through an answer
  output logic        y_valid_o,
  input  logic        y_ready_i,
  output logic [7:0]  y_data_o
);
  localparam logic [7:0] Flag = 8'h7E, Escape = 8'h7D, Answer = 8'h81, Hello = 8'h82, Busy = 8'h83, Value = 8'h84;
  localparam int unsigned CountBits = $clog2(Bytes + 1);

  // A line takes dozens of clocks for a byte, so a step is taken in the cycle after everything it waits for was seen to be
  // ready (tick_q): no long path, and no path that leads through. Registers that do not matter in a step may change in it.

  // What a frame begins with is shifted out of head_q, a byte at a time, and so is its CRC; an answer's bytes come in between.
  typedef enum logic [2:0] {Idle, Head, Body, Sum, Tail, Close} state_e;
  state_e state_q, state_d;
  logic [63:0] head_q;
  logic [3:0]  head_left_q;  // bytes of head_q yet to go, less one
  logic [CountBits-1:0] left_q;
  logic [15:0] hello_tag_q, busy_tag_q, value_tag_q;
  logic [31:0] value_q, crc;
  logic hello_q, busy_q, value_valid_q, answer_q, abort_q, tick_q, crc_busy, have;

  // a raw byte on its way to the escapes
  logic raw_valid_q, raw_flag_q, raw_taken;
  logic [7:0] raw_q, raw_d;

  always_comb begin
    unique case (state_q)
      Idle:    have = hello_q || busy_q || value_valid_q || x_valid_i;
      Body:    have = x_valid_i;
      Sum:     have = 1'b0;
      default: have = 1'b1;
    endcase
  end
  assign raw_d     = state_q == Idle || state_q == Close ? Flag : state_q == Body ? x_data_i : head_q[7:0];
  assign x_ready_o = state_q == Body && tick_q;

  crc32 crc_of (
    .clk_i(clk_i), .clear_i(state_q == Idle), .add_i(tick_q && (state_q == Head || (state_q == Body && x_valid_i))),
    .data_i(raw_d), .busy_o(crc_busy), .crc_o(crc)
  );

  always_comb begin
    state_d = state_q;
    if (abort_q) state_d = Idle;
    else if (tick_q) begin
      unique case (state_q)
        Idle:    if (have) state_d = Head;
        Head:    if (head_left_q == '0) state_d = answer_q ? Body : Sum;
        Body:    if (have && left_q == '0) state_d = Sum;
        Sum:     state_d = Tail;
        Tail:    if (head_left_q == '0) state_d = Close;
        default: state_d = Idle;
      endcase
    end
  end

  always_ff @(posedge clk_i) begin
    if (tick_q) begin
      unique case (state_q)
        Idle: begin
          answer_q <= !hello_q && !busy_q && !value_valid_q;
          if (hello_q) head_q <= {32'(DesignId), 8'(Version), hello_tag_q, Hello};
          else if (busy_q) head_q <= {40'b0, busy_tag_q, Busy};
          else if (value_valid_q) head_q <= {8'b0, value_q, value_tag_q, Value};
          else head_q <= {40'b0, x_tag_i, Answer};
          head_left_q <= hello_q ? 4'd7 : busy_q ? 4'd2 : value_valid_q ? 4'd6 : 4'd2;
          left_q <= CountBits'(Bytes - 1);
        end
        Sum: begin
          head_q <= {32'b0, ~crc};
          head_left_q <= 4'd3;
        end
        default: begin
          head_q <= head_q >> 8;
          head_left_q <= head_left_q - 1'b1;
          if (state_q == Body && x_valid_i) left_q <= left_q - 1'b1;
        end
      endcase
    end
    if (busy_i) busy_tag_q <= tag_i;
    if (hello_i) hello_tag_q <= tag_i;
    if (value_i) {value_tag_q, value_q} <= {value_tag_i, value_data_i};
  end

  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      state_q       <= Idle;
      tick_q        <= 1'b0;
      abort_q       <= 1'b0;
      hello_q       <= 1'b0;
      busy_q        <= 1'b0;
      value_valid_q <= 1'b0;
    end else begin
      state_q <= state_d;
      tick_q  <= !tick_q && !raw_valid_q && !crc_busy;
      abort_q <= hello_q && answer_q && state_q != Idle && !abort_q;
      if (tick_q && state_q == Idle) begin
        if (hello_q) hello_q <= 1'b0;
        else if (busy_q) busy_q <= 1'b0;
        else value_valid_q <= 1'b0;
      end
      if (busy_i) busy_q <= 1'b1;
      if (value_i) value_valid_q <= 1'b1;
      if (hello_i) begin
        hello_q <= 1'b1;
        busy_q  <= 1'b0;
      end
    end
  end

  // the flag that opens a frame also ends one that was cut short
  always_ff @(posedge clk_i) begin
    if (!rst_ni) raw_valid_q <= 1'b0;
    else if (tick_q && have) raw_valid_q <= 1'b1;
    else if (raw_taken) raw_valid_q <= 1'b0;
    if (tick_q) begin
      raw_q      <= raw_d;
      raw_flag_q <= state_q == Idle || state_q == Close;
    end
  end

  // bytes that look like a flag or an escape are sent as two
  logic special, escaped_q;
  assign special   = !raw_flag_q && (raw_q == Flag || raw_q == Escape) && !escaped_q;
  assign raw_taken = raw_valid_q && !y_valid_o && !special;
  always_ff @(posedge clk_i) begin
    if (!rst_ni) begin
      y_valid_o <= 1'b0;
      escaped_q <= 1'b0;
    end else if (y_valid_o) y_valid_o <= !y_ready_i;
    else if (raw_valid_q) begin
      y_valid_o <= 1'b1;
      escaped_q <= special;
    end
    if (!y_valid_o) y_data_o <= special ? Escape : escaped_q ? raw_q ^ 8'h20 : raw_q;
  end
endmodule
